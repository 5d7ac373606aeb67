//! When it is worth while to list the cameras once more.

use std::time::Duration;

use super::catalog::Cameras;
use crate::device::DeviceInfo;
use crate::watch::ListWatch;

/// How often it is looked for something new: twice and a listing fit into a second. More often
/// would keep a laptop's processor from sleeping.
const PERIOD: Duration = Duration::from_millis(300);

impl Cameras {
    /// Tells when cameras come and go. Those that there are already come as the first changes,
    /// unless they are in `known`.
    ///
    /// Right after a camera was plugged in, the system still names it and sets its permissions, so a
    /// change is looked at once more before it is told.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn watch(&self, known: Vec<DeviceInfo>) -> std::io::Result<ListWatch> {
        let cameras = self.clone();
        let mut news = News::default();
        ListWatch::start("camera watch", PERIOD, known, move || {
            // A list that fails now may succeed at the next change.
            let list = || cameras.list().unwrap_or_default();
            news.is_due(cameras.fingerprint()).then(list)
        })
    }
}

/// Decides when to list.
#[derive(Debug, Default)]
struct News {
    has_listed: bool,
    /// Fingerprint at the last look.
    last: Option<Vec<u64>>,
    /// Fingerprint of the last list.
    listed: Option<Vec<u64>>,
}

impl News {
    /// At the first look, after a change that has settled, and always where only listing tells.
    fn is_due(&mut self, now: Option<Vec<u64>>) -> bool {
        let has_settled = !self.has_listed || now == self.last;
        let is_new = now.is_none() || now != self.listed;
        let is_due = has_settled && is_new;
        if is_due {
            self.has_listed = true;
            self.listed.clone_from(&now);
        }
        self.last = now;
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_listed_once_it_has_settled() {
        let mut news = News::default();
        assert!(news.is_due(Some(vec![1])));
        assert!(!news.is_due(Some(vec![1])));
        assert!(!news.is_due(Some(vec![2])));
        assert!(!news.is_due(Some(vec![3])));
        assert!(news.is_due(Some(vec![3])));
        assert!(!news.is_due(Some(vec![3])));
    }

    #[test]
    fn without_a_fingerprint_it_lists_each_time() {
        let mut news = News::default();
        assert!(news.is_due(None));
        assert!(news.is_due(None));
    }
}
