//! What time it is, as an argument: whoever starts a run or the service says by which clock.
//!
//! The shell gives the system's clock. With the feature `demo` (off in the container image) it may be a file, so that a
//! test can live through a quarter in minutes; every bundle that is made under such a clock says so in its collector's
//! version. Only what a bundle, the log and the agenda state follows this clock: time-outs, retries and signatures of
//! requests follow the machine.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evidenced_core::run::Clock;
use tokio::sync::Notify;

/// The system's clock.
struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The clock of a run or of the service.
#[derive(Clone)]
pub(crate) struct Time {
    clock: Arc<dyn Clock + Send + Sync>,
    moved: Arc<Notify>,
    version: &'static str,
}

impl Time {
    /// The system's clock.
    pub(crate) fn system() -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self { clock: Arc::new(SystemClock), moved: Arc::new(Notify::new()), version }
    }

    /// Seconds since 1970, UTC.
    pub(crate) fn now(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// Ends when a clock that is set by hand was set. The system's is noticed by those who look again anyway.
    pub(crate) async fn moved(&self) {
        self.moved.notified().await;
    }

    /// The collector's version, for the bundle: it names a simulated clock.
    pub(crate) fn collector_version(&self) -> &'static str {
        self.version
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock for Time {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Time({})", self.version)
    }
}

#[cfg(feature = "demo")]
pub(crate) mod file {
    //! A clock that says what a file says: one instant, such as `2026-07-01T02:00:05Z`. It stands still until the file
    //! is replaced.

    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use evidenced_core::moment;
    use evidenced_core::run::Clock;
    use tokio::sync::Notify;

    use super::Time;
    use crate::collector::read_text;

    /// How often the file is looked at.
    const LOOK: Duration = Duration::from_millis(5);
    /// An instant and a line end.
    const FILE_BYTES: u64 = 64;

    struct FileClock {
        path: PathBuf,
        seconds: AtomicI64,
    }

    impl FileClock {
        fn read(&self) -> io::Result<i64> {
            let text = read_text(&self.path, FILE_BYTES)?;
            moment::parse(text.trim_end()).ok_or_else(|| io::Error::other(format!("{text:?} is no instant")))
        }
    }

    impl Clock for FileClock {
        fn now_ms(&self) -> i64 {
            // Between two looks too. A file that is being replaced leaves the instant that was read before.
            if let Ok(seconds) = self.read() {
                self.seconds.store(seconds, Ordering::Relaxed);
            }
            self.seconds.load(Ordering::Relaxed).saturating_mul(1000)
        }
    }

    /// The clock in this file, and the work of looking at it, which ends when it is dropped.
    pub(crate) fn open(path: &Path) -> io::Result<(Time, impl Future<Output = ()> + Send + 'static)> {
        let clock = Arc::new(FileClock { path: path.to_owned(), seconds: AtomicI64::new(0) });
        clock.seconds.store(clock.read()?, Ordering::Relaxed);
        let moved = Arc::new(Notify::new());
        let version = concat!(env!("CARGO_PKG_VERSION"), "+simulated-clock");
        let shared: Arc<dyn Clock + Send + Sync> = clock.clone();
        let time = Time { clock: shared, moved: Arc::clone(&moved), version };
        let look = async move {
            let mut before = clock.now_ms();
            loop {
                tokio::time::sleep(LOOK).await;
                let now = clock.now_ms();
                if now != before {
                    before = now;
                    moved.notify_one();
                }
            }
        };
        Ok((time, look))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[tokio::test]
        async fn a_clock_in_a_file_moves_when_the_file_is_replaced() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("clock");
            std::fs::write(&path, "2026-07-01T02:00:05Z\n").unwrap();
            let (time, look) = open(&path).unwrap();
            let looking = tokio::spawn(look);
            assert_eq!(moment::seconds(time.now()), "2026-07-01T02:00:05Z");
            assert!(time.collector_version().ends_with("+simulated-clock"));
            tokio::task::yield_now().await;
            std::fs::write(&path, "2026-06-30T00:00:00Z\n").unwrap();
            tokio::time::timeout(Duration::from_mins(1), time.moved()).await.unwrap();
            assert_eq!(moment::seconds(time.now()), "2026-06-30T00:00:00Z");
            // What is no instant moves nothing.
            std::fs::write(&path, "soon").unwrap();
            assert_eq!(moment::seconds(time.now()), "2026-06-30T00:00:00Z");
            assert!(open(&path).is_err());
            looking.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_the_shell_is_the_system_s() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let time = Time::default();
        assert!(u64::try_from(time.now()).unwrap() >= before);
        assert_eq!(time.collector_version(), env!("CARGO_PKG_VERSION"));
    }
}
