//! The service `file`: judges arguments, and has `host::files` do it on the blocking pool.
//!
//! Each call makes a jail of the policy in force, so that a reload counts at once, also for who follows a file.
//! What a call works on stops soon after its caller has gone. Only so many run at a time, for a file system
//! that hangs holds each of them for ever.

mod stream;

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::error::{Code, RpcError};
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::Items;
use p2p_shared::services::file::{
    CONTENT_BYTES_MAX, File as Contract, FileChunk, FileContent, FileCount, FileExpect, FileFound, FileKind,
    FilePage, FilePath, FileRow, FileSort, FileSum, FileTail, FileUndo, FileUsage, FileVersion, FileWritten,
    HITS_MAX, ROWS_MAX,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::journal::count;
use crate::host::files::change::{self, Over};
use crate::host::files::error::FileError;
use crate::host::files::jail::Jail;
use crate::host::files::reserved::Reserved;
use crate::host::files::search::{Question, Search};
use crate::host::files::tree::{self, DEPTH_MAX, Depth};
use crate::host::files::undo::Undos;
use crate::host::files::write::{self, Order};
use crate::host::files::{list, read};
use crate::policy::Fuse;

/// Calls that work on files at the same time.
const RUNNING_MAX: usize = 64;
/// Searches and counts among them.
const SEARCHES_MAX: usize = 4;
/// Rows of a page, unless told.
const ROWS: u32 = 200;
/// Bytes of a read, unless told.
const LENGTH: u32 = 64 << 10;
/// Lines of a tail, unless told.
const LINES: u32 = 10;
const LINES_MAX: u32 = 10_000;
/// Hits of a search, unless told.
const HITS: u32 = 1_000;
const TIME_MS: u32 = 10_000;
const TIME_MS_MAX: u32 = 600_000;
const READ_BYTES: u64 = 1 << 30;
const MODE_MAX: u32 = 0o7777;
const DIRECTORY_MODE: u32 = 0o755;

/// The implementation. Clones are the same one.
#[derive(Clone, Debug)]
pub struct FileService {
    fuse: Fuse,
    reserved: Arc<Reserved>,
    undos: Arc<Undos>,
    runtime: Handle,
    places: Arc<Semaphore>,
    searches: Arc<Semaphore>,
}

impl FileService {
    /// A service of the files under the roots of `fuse` but the node's own, that keeps old versions under `data`
    /// and works on the blocking pool of `runtime`.
    pub fn new((fuse, reserved): (Fuse, Arc<Reserved>), data: &std::path::Path, runtime: Handle) -> Self {
        Self {
            fuse,
            reserved,
            undos: Arc::new(Undos::new(data)),
            runtime,
            places: Arc::new(Semaphore::new(RUNNING_MAX)),
            searches: Arc::new(Semaphore::new(SEARCHES_MAX)),
        }
    }

    /// Runs blocking work; what it is given tells it when its caller has gone.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Jail, &CancellationToken) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let full = |_| busy(RUNNING_MAX, "calls work on files of this node");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(full)?;
        let gone = CancellationToken::new();
        let _guard = gone.clone().drop_guard();
        let (policy, reserved) = (self.fuse.policy(), Arc::clone(&self.reserved));
        let task = self.runtime.spawn_blocking(move || {
            let _place = place;
            work(&Jail::new(policy.file_roots(), reserved), &gone)
        });
        let done = task.await;
        done.map_err(|error| RpcError::internal(format!("work on files failed: {error}")))?
            .map_err(Into::into)
    }
}

fn busy(most: usize, what: &str) -> RpcError {
    RpcError::new(Code::RateLimited, format!("{most} {what} already: try again when some have ended"))
}

fn mode(mode: u32) -> Result<u32, RpcError> {
    if mode <= MODE_MAX {
        return Ok(mode);
    }
    Err(RpcError::bad_request(format!(
        "mode is 0 to {MODE_MAX} (octal 7777), not {mode}: JSON numbers are decimal"
    )))
}

fn content(content: FileContent) -> Result<Vec<u8>, RpcError> {
    if content.0.len() <= CONTENT_BYTES_MAX as usize {
        return Ok(content.0);
    }
    let length = content.0.len();
    Err(RpcError::too_large(format!("content is at most {CONTENT_BYTES_MAX} bytes, not {length}")))
}

fn question(depth: Option<u32>, limit: Option<u32>, timeout_ms: Option<u32>) -> Result<Question, RpcError> {
    let depth_max = u32::try_from(DEPTH_MAX).unwrap_or(u32::MAX);
    Ok(Question {
        depth: count("depth", depth, depth_max, depth_max)?,
        hits: count("limit", limit, HITS, HITS_MAX)? as u64,
        time: Duration::from_millis(count("timeout_ms", timeout_ms, TIME_MS, TIME_MS_MAX)? as u64),
        read_bytes: READ_BYTES,
        ..Question::default()
    })
}

impl Contract for FileService {
    async fn list(
        &self,
        _: &CallContext,
        path: FilePath,
        sort: Option<FileSort>,
        reverse: Option<bool>,
        cursor: Option<String>,
        limit: Option<u32>,
    ) -> Result<FilePage, RpcError> {
        let question = list::Question {
            sort: sort.unwrap_or(FileSort::Name),
            reverse: reverse == Some(true),
            cursor,
            limit: count("limit", limit, ROWS, ROWS_MAX)?.max(1),
        };
        self.work(move |jail, gone| list::list(jail, &path, &question, gone)).await
    }

    async fn stat(&self, _: &CallContext, path: FilePath, follow: Option<bool>) -> Result<FileRow, RpcError> {
        self.work(move |jail, _| list::stat(jail, &path, follow == Some(true))).await
    }

    async fn usage(&self, _: &CallContext, path: FilePath, items: Items<FileUsage>) -> Result<(), RpcError> {
        self.progress(&items, move |jail, gone, told| tree::usage(jail, &path, gone, told)).await
    }

    async fn find(
        &self,
        _: &CallContext,
        path: FilePath,
        glob: Option<String>,
        regex: Option<String>,
        kind: Option<FileKind>,
        depth: Option<u32>,
        limit: Option<u32>,
        timeout_ms: Option<u32>,
        items: Items<FileFound>,
    ) -> Result<(), RpcError> {
        let question = Question { glob, regex, kind, ..question(depth, limit, timeout_ms)? };
        self.search(path, Search::new(question)?, &items).await
    }

    async fn grep(
        &self,
        _: &CallContext,
        path: FilePath,
        regex: String,
        glob: Option<String>,
        depth: Option<u32>,
        limit: Option<u32>,
        timeout_ms: Option<u32>,
        read_bytes_max: Option<u64>,
        items: Items<FileFound>,
    ) -> Result<(), RpcError> {
        let mut question = Question { glob, line: Some(regex), ..question(depth, limit, timeout_ms)? };
        question.read_bytes = read_bytes_max.unwrap_or(READ_BYTES);
        self.search(path, Search::new(question)?, &items).await
    }

    async fn read(
        &self,
        _: &CallContext,
        path: FilePath,
        offset: Option<u64>,
        length: Option<u32>,
    ) -> Result<FileChunk, RpcError> {
        let length = count("length", length, LENGTH, CONTENT_BYTES_MAX)?;
        self.work(move |jail, _| read::read(jail, &path, offset.unwrap_or(0), length)).await
    }

    async fn tail(&self, _: &CallContext, path: FilePath, lines: Option<u32>) -> Result<FileChunk, RpcError> {
        let lines = count("lines", lines, LINES, LINES_MAX)?;
        self.work(move |jail, _| read::tail(jail, &path, lines, CONTENT_BYTES_MAX as usize)).await
    }

    async fn follow(
        &self,
        _: &CallContext,
        path: FilePath,
        lines: Option<u32>,
        items: Items<FileTail>,
    ) -> Result<(), RpcError> {
        let lines = count("lines", lines, LINES, LINES_MAX)?;
        self.followed(path, lines, &items).await
    }

    async fn checksum(&self, _: &CallContext, path: FilePath, items: Items<FileSum>) -> Result<(), RpcError> {
        self.progress(&items, move |jail, gone, told| read::checksum(jail, &path, gone, told)).await
    }

    async fn undos(&self, _: &CallContext, path: Option<FilePath>) -> Result<Vec<FileUndo>, RpcError> {
        let undos = Arc::clone(&self.undos);
        self.work(move |jail, _| {
            let mut kept = undos.all(path.as_ref());
            kept.retain(|undo| jail.target(&undo.path).is_ok());
            Ok(kept)
        })
        .await
    }

    async fn write(
        &self,
        _: &CallContext,
        path: FilePath,
        content: FileContent,
        expect: Option<FileExpect>,
        mode: Option<u32>,
    ) -> Result<FileWritten, RpcError> {
        let bytes = self::content(content)?;
        let order = Order { expect, mode: mode.map(self::mode).transpose()? };
        let undos = Arc::clone(&self.undos);
        self.work(move |jail, gone| write::write((jail, &undos), &path, Cursor::new(bytes), &order, gone))
            .await
    }

    async fn append(
        &self,
        _: &CallContext,
        path: FilePath,
        content: FileContent,
    ) -> Result<FileVersion, RpcError> {
        let bytes = self::content(content)?;
        self.work(move |jail, _| write::append(jail, &path, &bytes)).await
    }

    async fn truncate(
        &self,
        _: &CallContext,
        path: FilePath,
        size_bytes: u64,
    ) -> Result<FileVersion, RpcError> {
        self.work(move |jail, _| write::truncate(jail, &path, size_bytes)).await
    }

    async fn undo(&self, _: &CallContext, id: String) -> Result<FileWritten, RpcError> {
        let undos = Arc::clone(&self.undos);
        self.work(move |jail, gone| undos.undo(jail, &id, gone)).await
    }

    async fn mkdir(
        &self,
        _: &CallContext,
        path: FilePath,
        mode: Option<u32>,
        parents: Option<bool>,
    ) -> Result<(), RpcError> {
        let mode = self::mode(mode.unwrap_or(DIRECTORY_MODE))?;
        let make = if parents == Some(true) { change::mkdir_all } else { change::mkdir };
        self.work(move |jail, _| make(jail, &path, mode)).await
    }

    async fn rename(
        &self,
        _: &CallContext,
        from: FilePath,
        to: FilePath,
        replace: Option<bool>,
    ) -> Result<(), RpcError> {
        let over = if replace == Some(true) { Over::Replace } else { Over::Never };
        self.work(move |jail, _| change::rename(jail, &from, &to, over)).await
    }

    async fn copy(
        &self,
        _: &CallContext,
        from: FilePath,
        to: FilePath,
        tree: Option<bool>,
    ) -> Result<FileCount, RpcError> {
        let depth = if tree == Some(true) { Depth::Tree } else { Depth::File };
        self.work(move |jail, gone| tree::copy(jail, (&from, &to), depth, gone)).await
    }

    async fn remove(
        &self,
        _: &CallContext,
        path: FilePath,
        entries: Option<u64>,
    ) -> Result<FileCount, RpcError> {
        self.work(move |jail, gone| tree::remove(jail, &path, entries, gone)).await
    }

    async fn chmod(&self, _: &CallContext, path: FilePath, mode: u32) -> Result<(), RpcError> {
        let mode = self::mode(mode)?;
        self.work(move |jail, _| change::chmod(jail, &path, mode)).await
    }

    async fn chown(
        &self,
        _: &CallContext,
        path: FilePath,
        user: Option<String>,
        group: Option<String>,
    ) -> Result<(), RpcError> {
        self.work(move |jail, _| change::chown(jail, &path, user.as_deref(), group.as_deref())).await
    }

    async fn symlink(&self, _: &CallContext, path: FilePath, target: FilePath) -> Result<(), RpcError> {
        self.work(move |jail, _| change::symlink(jail, &path, &target)).await
    }
}
