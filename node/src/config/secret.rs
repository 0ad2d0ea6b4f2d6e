//! The secret of access tokens: found in one of three places, and refused when it is none.
//!
//! Reads the credential or the secret's file. The secret never enters a message.

use std::path::Path;

use p2p_shared::config::{Document, Loaded, Origin, Problem, Secret};

use super::Settings;
use super::paths::Facts;

/// Fewest bytes of a secret.
const SECRET_BYTES_MIN: usize = 32;
/// What examples say, without punctuation.
const PLACEHOLDERS: [&str; 8] =
    ["changeme", "changeit", "replaceme", "placeholder", "yoursecret", "mysecret", "supersecret", "example"];
/// How to make a good one.
const HINT: &str = "make one with `openssl rand -base64 48`";

/// The secret: the credential, else the file, else the value; `None` if there is none of them.
pub(super) fn resolve(
    loaded: &Loaded<Settings>,
    facts: &Facts,
    file: Option<&Document>,
) -> Result<Option<Secret>, Problem> {
    let auth = &loaded.settings.auth;
    let value_origin = loaded.origin("auth.secret");
    let at_value = |message: String| Problem::new(&value_origin, message).at("auth.secret");
    if let Some(other) = loaded.conflict("auth.secret") {
        return Err(at_value(format!("{other} gives another secret: remove one of the two")));
    }
    let in_open_file =
        matches!(value_origin, Origin::File { .. }) && file.is_some_and(Document::open_to_others);
    if in_open_file {
        let path = file.map(|file| file.path().display().to_string()).unwrap_or_default();
        return Err(at_value(format!(
            "others can read this file: chmod 600 {path}, or use auth.secret_file"
        )));
    }
    if let Some(value) = &auth.secret {
        judge(value).map_err(at_value)?;
    }
    if let Some(path) =
        facts.credentials.as_ref().map(|dir| dir.join("auth-secret")).filter(|path| path.exists())
    {
        return read(&path, facts);
    }
    let Some(path) = &auth.secret_file else { return Ok(auth.secret.clone()) };
    let from_file = read(&facts.cwd.join(path), facts)?;
    match (&from_file, &auth.secret) {
        (Some(kept), Some(value)) if kept != value => {
            Err(at_value(format!("{} holds another secret: remove one of the two", path.display())))
        }
        (None, value) => Ok(value.clone()),
        _ => Ok(from_file),
    }
}

fn read(path: &Path, facts: &Facts) -> Result<Option<Secret>, Problem> {
    let document = Document::read(path, facts.uid)?;
    let Some(document) = document else {
        return Err(Problem::new(path.display(), "no such file").at("auth.secret_file"));
    };
    let text = document.text();
    let text = text.strip_suffix('\n').unwrap_or(text);
    let secret = Secret::new(text.strip_suffix('\r').unwrap_or(text).to_owned());
    if secret.expose().is_empty() {
        return Ok(None);
    }
    judge(&secret).map_err(|message| Problem::new(path.display(), message).at("auth.secret_file"))?;
    Ok(Some(secret))
}

fn judge(secret: &Secret) -> Result<(), String> {
    let text = secret.expose();
    let plain: String =
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let well_known = ["secret", "password", "test", "default", "admin"].contains(&plain.as_str());
    if well_known || PLACEHOLDERS.iter().any(|placeholder| plain.contains(placeholder)) {
        return Err(format!("is a placeholder that everybody knows: {HINT}"));
    }
    if text.len() < SECRET_BYTES_MIN {
        return Err(format!("has {} bytes, at least {SECRET_BYTES_MIN} are needed: {HINT}", text.len()));
    }
    let first = text.chars().next();
    if text.chars().all(|letter| Some(letter) == first) {
        return Err(format!("is one letter repeated: {HINT}"));
    }
    Ok(())
}
