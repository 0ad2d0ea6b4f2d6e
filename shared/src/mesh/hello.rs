//! The application hello: the first stream of a connection, for which both sides wait.
//!
//! The dialler writes its hello, the other side judges it and answers with its own or closes with a reason.
//! Pure on bytes. What a hello says is a claim: who the peer is comes from its certificate alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::failure::{LinkError, RefusedBy};
use crate::id::MeshName;
use crate::rpc::codec::Encoding;
use crate::rpc::tlv::{TlvError, TlvReader, TlvWriter, fixed, text};
use crate::time::UnixMillis;
use crate::tls::{Refusal, RefusalReason};

/// Version of the record.
const HELLO_VERSION: u8 = 1;
/// Major version of the protocol, as in the ALPN. Another one is not spoken to.
pub const MAJOR: u16 = 1;
/// Minor version: told, never compared. What differs shows in schema hashes and features.
pub const MINOR: u16 = 0;
/// Longest program version that is believed, in bytes.
const VERSION_BYTES_MAX: usize = 64;
/// Most methods that a hello may list.
const METHODS_MAX: usize = 1_024;

/// What one side says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Major and minor version of the protocol.
    pub protocol: (u16, u16),
    /// The mesh that it means to be in.
    pub mesh: MeshName,
    /// Version of the program.
    pub version: String,
    /// Random at each start of the process: tells a restarted peer from the one before.
    pub instance: u64,
    /// Bits of optional abilities; none is defined yet.
    pub features: u64,
    /// Where it sees the other side; `None` from a side that does not tell.
    pub observed: Option<SocketAddr>,
    /// Schema hash of each method by name; none where the digest may tell enough.
    pub methods: BTreeMap<String, u64>,
    /// What its clock says; `None` from a side that does not tell.
    pub clock: Option<UnixMillis>,
    /// The number of all its methods ([`Described::digest`]); `None` from a side that does not tell.
    pub digest: Option<u64>,
}

mod field {
    pub const PROTOCOL: u8 = 2;
    pub const MESH: u8 = 4;
    pub const VERSION: u8 = 7;
    pub const INSTANCE: u8 = 8;
    pub const FEATURES: u8 = 9;
    pub const OBSERVED: u8 = 11;
    pub const METHODS: u8 = 13;
    pub const CLOCK: u8 = 15;
    pub const DIGEST: u8 = 17;
}

impl Hello {
    /// The record, for one `Message` frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut record = TlvWriter::new(HELLO_VERSION);
        let protocol = [self.protocol.0.to_be_bytes(), self.protocol.1.to_be_bytes()].concat();
        record
            .field(field::PROTOCOL, &protocol)
            .field(field::MESH, self.mesh.as_str().as_bytes())
            .field(field::VERSION, self.version.as_bytes())
            .field(field::INSTANCE, &self.instance.to_be_bytes())
            .field(field::FEATURES, &self.features.to_be_bytes());
        if let Some(observed) = self.observed {
            record.field(field::OBSERVED, observed.to_string().as_bytes());
        }
        if !self.methods.is_empty() {
            record.field(field::METHODS, &methods_to_wire(&self.methods));
        }
        if let Some(clock) = self.clock {
            record.field(field::CLOCK, &clock.0.to_be_bytes());
        }
        if let Some(digest) = self.digest {
            record.field(field::DIGEST, &digest.to_be_bytes());
        }
        record.finish()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// As [`TlvError`] says.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut reader = TlvReader::new(bytes, HELLO_VERSION)?;
        let (mut protocol, mut mesh, mut instance) = (None, None, None);
        let (mut version, mut features) = (String::new(), 0);
        let (mut observed, mut clock, mut digest) = (None, None, None);
        let mut methods = BTreeMap::new();
        while let Some((kind, value)) = reader.next_field()? {
            match kind {
                field::PROTOCOL => {
                    let [a, b, c, d] = fixed(kind, value)?;
                    protocol = Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
                }
                field::MESH => {
                    mesh = Some(text(kind, value)?.parse().map_err(|_| TlvError::Value(kind))?);
                }
                field::VERSION if value.len() <= VERSION_BYTES_MAX => {
                    version = crate::tls::clean_text(text(kind, value)?.as_bytes());
                }
                field::VERSION => return Err(TlvError::Value(kind)),
                field::INSTANCE => instance = Some(u64::from_be_bytes(fixed(kind, value)?)),
                field::FEATURES => features = u64::from_be_bytes(fixed(kind, value)?),
                field::OBSERVED => {
                    observed = Some(text(kind, value)?.parse().map_err(|_| TlvError::Value(kind))?);
                }
                field::METHODS => methods = methods_from_wire(value).ok_or(TlvError::Value(kind))?,
                field::CLOCK => clock = Some(UnixMillis(u64::from_be_bytes(fixed(kind, value)?))),
                field::DIGEST => digest = Some(u64::from_be_bytes(fixed(kind, value)?)),
                other => TlvReader::unknown(other)?,
            }
        }
        Ok(Self {
            protocol: protocol.ok_or(TlvError::Value(field::PROTOCOL))?,
            mesh: mesh.ok_or(TlvError::Value(field::MESH))?,
            version,
            instance: instance.ok_or(TlvError::Value(field::INSTANCE))?,
            features,
            observed,
            methods,
            clock,
            digest,
        })
    }

    /// Whether both sides describe all methods alike, so that neither needs to list them.
    pub fn describes_alike(&self, theirs: &Self) -> bool {
        self.digest.is_some() && self.digest == theirs.digest
    }

    /// Whether this side can speak with `theirs`.
    ///
    /// # Errors
    /// The reason why not, as it goes into the close.
    pub fn judge(&self, theirs: &Self) -> Result<(), Refusal> {
        if theirs.protocol.0 != self.protocol.0 {
            return Err(Refusal::WrongVersion { theirs: theirs.protocol.0, ours: self.protocol.0 });
        }
        if theirs.mesh != self.mesh {
            return Err(Refusal::WrongMesh { theirs: theirs.mesh.clone(), ours: self.mesh.clone() });
        }
        Ok(())
    }
}

/// What a side describes: its methods, each with the hash of its schema, and one number for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    methods: BTreeMap<String, u64>,
    digest: u64,
}

impl Described {
    /// Of these methods.
    pub fn new(methods: BTreeMap<String, u64>) -> Self {
        let hash = blake3::hash(&methods_to_wire(&methods));
        let (first, _) = hash.as_bytes().split_first_chunk::<8>().expect("a hash has 32 bytes");
        Self { methods, digest: u64::from_be_bytes(*first) }
    }

    /// By name.
    pub const fn methods(&self) -> &BTreeMap<String, u64> {
        &self.methods
    }

    /// The number.
    pub const fn digest(&self) -> u64 {
        self.digest
    }
}

/// Which methods two sides describe alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    differing: BTreeSet<String>,
}

impl Agreement {
    /// Of a side that knows `ours`, with one that listed `theirs`. The default is that of two that describe all alike.
    pub fn of(ours: &BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>) -> Self {
        let differs = |(name, hash): &(&String, &u64)| theirs.get(*name) != Some(hash);
        Self { differing: ours.iter().filter(differs).map(|(name, _)| name.clone()).collect() }
    }

    /// Bincode where both sides have the same schema, JSON elsewhere.
    pub fn encoding(&self, method: &str) -> Encoding {
        if self.differing.contains(method) { Encoding::Json } else { Encoding::Bincode }
    }
}

/// Reading a hello failed: the error as the close says it.
impl From<TlvError> for LinkError {
    fn from(error: TlvError) -> Self {
        let reason = match error {
            TlvError::Version(_) | TlvError::Unknown(_) => RefusalReason::WrongVersion,
            _ => RefusalReason::Other,
        };
        Self::Refused { by: RefusedBy::Us, reason, detail: format!("{reason}: hello: {error}") }
    }
}

/// Each method as the length of its name in one byte, the name, and eight bytes of hash.
fn methods_to_wire(methods: &BTreeMap<String, u64>) -> Vec<u8> {
    let mut wire = Vec::new();
    for (name, hash) in methods {
        let Ok(length) = u8::try_from(name.len()) else { continue };
        wire.push(length);
        wire.extend_from_slice(name.as_bytes());
        wire.extend_from_slice(&hash.to_be_bytes());
    }
    wire
}

fn methods_from_wire(mut wire: &[u8]) -> Option<BTreeMap<String, u64>> {
    let mut methods = BTreeMap::new();
    while let Some((&length, rest)) = wire.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(length))?;
        let (hash, rest) = rest.split_first_chunk::<8>()?;
        methods.insert(std::str::from_utf8(name).ok()?.to_owned(), u64::from_be_bytes(*hash));
        if methods.len() > METHODS_MAX {
            return None;
        }
        wire = rest;
    }
    Some(methods)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hello() -> Hello {
        Hello {
            protocol: (MAJOR, MINOR),
            mesh: "home".parse().unwrap(),
            version: "0.1.0".into(),
            instance: 7,
            features: 0,
            observed: Some("[::1]:5678".parse().unwrap()),
            methods: BTreeMap::from([("process.list".into(), 1), ("node.info".into(), 2)]),
            clock: Some(UnixMillis(1_795_404_123_000)),
            digest: Some(9),
        }
    }

    #[test]
    fn a_hello_reads_back_with_a_list_of_methods_or_without() {
        let brief = Hello { methods: BTreeMap::new(), ..hello() };
        let old = Hello { digest: None, ..hello() };
        for hello in [hello(), brief, old] {
            assert_eq!(Hello::from_bytes(&hello.to_bytes()), Ok(hello));
        }
    }

    #[test]
    fn who_tells_no_digest_or_another_one_is_to_list_its_methods() {
        let other = |digest| Hello { digest, ..hello() };
        assert!(hello().describes_alike(&hello()));
        assert!(!hello().describes_alike(&other(Some(8))));
        assert!(!hello().describes_alike(&other(None)));
        assert!(!other(None).describes_alike(&other(None)));
        let described = Described::new(hello().methods);
        let mut theirs = described.methods().clone();
        assert_eq!(Described::new(theirs.clone()).digest(), described.digest());
        theirs.insert("process.list".into(), 9);
        assert_ne!(Described::new(theirs).digest(), described.digest());
    }

    #[test]
    fn only_another_major_version_or_mesh_is_refused() {
        let reason = |theirs: Hello| hello().judge(&theirs).map_err(|refusal| refusal.reason());
        assert_eq!(reason(Hello { protocol: (MAJOR, 99), ..hello() }), Ok(()));
        assert_eq!(reason(Hello { protocol: (2, 0), ..hello() }), Err(RefusalReason::WrongVersion));
        let other = Hello { mesh: "work".parse().unwrap(), ..hello() };
        assert_eq!(reason(other), Err(RefusalReason::WrongMesh));
    }

    #[test]
    fn methods_that_differ_are_spoken_in_json() {
        let ours = hello().methods;
        let mut theirs = ours.clone();
        theirs.insert("process.list".into(), 9);
        theirs.insert("shell.open".into(), 3);
        let agreement = Agreement::of(&ours, &theirs);
        assert_eq!(agreement.encoding("process.list"), Encoding::Json);
        assert_eq!(agreement.encoding("node.info"), Encoding::Bincode);
        theirs.remove("node.info");
        assert_eq!(Agreement::of(&ours, &theirs).encoding("node.info"), Encoding::Json);
        assert_eq!(Agreement::of(&ours, &BTreeMap::new()).encoding("process.list"), Encoding::Json);
        assert_eq!(Agreement::default().encoding("process.list"), Encoding::Bincode);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_hello_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = Hello::from_bytes(&bytes).is_ok();
            let mut record = vec![HELLO_VERSION];
            record.extend_from_slice(&bytes);
            let _ = Hello::from_bytes(&record).is_ok();
        }
    }
}
