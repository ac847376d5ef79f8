//! The thread that serves one host.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Fetch, FetchToken, FreightSpec, FromFreight, Package};

/// What the owner of a freight wants.
#[derive(Debug)]
pub(super) enum Order {
    Stage { package: Arc<Package>, job: String },
    Fetch(Fetch),
    Forget(FetchToken),
    Remove { job: String },
}

pub(super) fn start(
    _spec: FreightSpec,
    _orders: mpsc::UnboundedReceiver<Order>,
    _news: mpsc::Sender<FromFreight>,
) {
}
