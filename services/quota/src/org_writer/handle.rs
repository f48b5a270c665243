//! How others reach the organisation: they ask its writer, and read what it has published.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};
use weir_domain::directory::Directory;
use weir_domain::org::Org;
use weir_domain::price_book::PriceBook;

use super::{Ask, Outcome};
use crate::no_decision::{NoDecision, Reply};

/// Calls that may wait for the organisation's writer. People and gateways that start: few at a time.
pub(super) const WAITING_MAX: usize = 64;

/// A handle on the organisation's writer, and on what it has published.
#[derive(Clone)]
pub(crate) struct OrgHandle {
    asks: mpsc::Sender<(Box<Ask>, Reply<Outcome>)>,
    org: Arc<ArcSwap<Org>>,
    directory: watch::Receiver<Arc<Directory>>,
    prices: watch::Receiver<Arc<PriceBook>>,
}

impl OrgHandle {
    /// Has a command decided and recorded.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Outcome, NoDecision> {
        let (reply, answer) = oneshot::channel();
        self.asks.try_send((Box::new(ask), reply)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                NoDecision::Busy { writer: "the organisation".to_owned(), waiting: WAITING_MAX }
            }
            mpsc::error::TrySendError::Closed(_) => NoDecision::ShuttingDown,
        })?;
        answer.await.unwrap_or(Err(NoDecision::ShuttingDown))
    }

    /// The organisation as it stands: everything in it is recorded.
    pub(crate) fn org(&self) -> Arc<Org> {
        self.org.load_full()
    }

    /// The same, for those who look at it again and again.
    pub(crate) fn shared_org(&self) -> Arc<ArcSwap<Org>> {
        Arc::clone(&self.org)
    }

    /// The directory now and whenever it changes.
    pub(crate) fn directory(&self) -> watch::Receiver<Arc<Directory>> {
        self.directory.clone()
    }

    /// The prices now and whenever they change.
    pub(crate) fn prices(&self) -> watch::Receiver<Arc<PriceBook>> {
        self.prices.clone()
    }
}

/// What others see of the organisation.
pub(super) struct Published {
    org: Arc<ArcSwap<Org>>,
    directory: watch::Sender<Arc<Directory>>,
    prices: watch::Sender<Arc<PriceBook>>,
}

pub(super) fn publish(org: &Org, asks: mpsc::Sender<(Box<Ask>, Reply<Outcome>)>) -> (Published, OrgHandle) {
    let shared = Arc::new(ArcSwap::from_pointee(org.clone()));
    let (directory_sender, directory) = watch::channel(Arc::new(org.directory()));
    let (prices_sender, prices) = watch::channel(Arc::new(PriceBook::of_org(org)));
    let published =
        Published { org: Arc::clone(&shared), directory: directory_sender, prices: prices_sender };
    (published, OrgHandle { asks, org: shared, directory, prices })
}

impl Published {
    /// Shows the organisation as it is now, if it is another than before.
    pub(super) fn refresh(&self, org: &Org) {
        if self.org.load().as_ref() == org {
            return;
        }
        self.org.store(Arc::new(org.clone()));
        self.directory.send_replace(Arc::new(org.directory()));
        let prices = PriceBook::of_org(org);
        self.prices.send_if_modified(|shown| {
            let other = **shown != prices;
            if other {
                *shown = Arc::new(prices);
            }
            other
        });
    }
}
