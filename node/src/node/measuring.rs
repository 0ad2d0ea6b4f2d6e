//! What `/metrics` is read from.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Node, until};
use crate::metrics::Sources;
use crate::metrics::pulse::{self, Pulse};

impl Node {
    /// The sources of the figures. From now on what costs something is looked at each second.
    pub fn measured(&self) -> Arc<Sources> {
        let (told, pulse) = watch::channel(Pulse::look(&self.transport));
        let looking = pulse::run(self.transport.clone(), self.seen.sampler.host(), told);
        self.ending.tasks.spawn(until(&self.ending.stopping, looking));
        Arc::new(Sources {
            portrait: self.portrait(),
            registry: self.registry(),
            sampler: self.seen.sampler.clone(),
            programs: self.seen.programs.clone(),
            alerts: self.alerts(),
            audit: self.guards.audit.clone(),
            writes_dropped: Arc::clone(&self.seen.writes_dropped),
            pulse,
        })
    }
}
