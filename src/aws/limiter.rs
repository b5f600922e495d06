//! Leaves most of AWS's request rates to others: one token bucket per (account, region, service, action).
//!
//! A bucket has `share` of the documented rate and burst, never less than one request a second unless AWS allows less.
//! A throttle halves the rate (at most once a second, down to an eighth) and empties the bucket; the rate recovers over
//! a minute. Without a share (loopback endpoints) requests pass until the server throttles; from then on the documented
//! rate is kept. Retries that the SDK makes are paid for by what comes after them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::quotas::{Quota, Shared};

/// The lanes of one run.
#[derive(Debug)]
pub(super) struct Limiter {
    pace: Pace,
    lanes: Mutex<HashMap<Place, Lanes>>,
}

/// Account id and region.
type Place = (String, String);
/// Service and operation.
type LaneName = (&'static str, &'static str);
type Lanes = HashMap<LaneName, Arc<Lane>>;

/// How fast to go before the first throttle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// At this share of the documented rates.
    Share(f64),
    /// As fast as the server answers.
    Unlimited,
}

impl Limiter {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, lanes: Mutex::default() }
    }

    /// The lane of an operation. `quota` is `None` where AWS has no limit within reach.
    pub(super) fn lane(
        &self,
        account: &str,
        region: &str,
        (service, operation): LaneName,
        quota: Option<Quota>,
    ) -> Arc<Lane> {
        let name = match quota.map(|quota| quota.shared) {
            Some(Shared::ByService) => (service, ""),
            Some(Shared::ByAction) | None => (service, operation),
        };
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = lanes.entry((account.to_owned(), region.to_owned())).or_default();
        let new = || Arc::new(Lane(Mutex::new(Bucket::new(quota, self.pace, Instant::now()))));
        Arc::clone(lanes.entry(name).or_insert_with(new))
    }

    /// Forgets the lanes of an account and region.
    pub(super) fn release(&self, account: &str, region: &str) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.remove(&(account.to_owned(), region.to_owned()));
    }
}

/// One bucket, shared by the requests that draw from it.
#[derive(Debug)]
pub(super) struct Lane(Mutex<Bucket>);

impl Lane {
    /// Takes a token and waits until it is there.
    pub(super) async fn wait(&self) {
        let wait = self.bucket().reserve(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes a token for a request that is already on its way.
    pub(super) fn spend(&self) {
        // Whoever comes next waits for it.
        let _: Duration = self.bucket().reserve(Instant::now());
    }

    /// The server asked for fewer requests.
    pub(super) fn throttled(&self) {
        self.bucket().throttled(Instant::now());
    }

    /// What throttles have left of the rate.
    #[cfg(test)]
    pub(super) fn factor(&self) -> f64 {
        self.bucket().factor
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The arithmetic: time is an argument.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    burst: f64,
    /// Below zero: requests that wait.
    tokens: f64,
    /// What throttles have left of the rate.
    factor: f64,
    enforced: bool,
    updated: Instant,
    throttled: Option<Instant>,
}

/// What a lane without a documented quota keeps once it is throttled.
const UNDOCUMENTED_PER_SECOND: f64 = 50.0;
const LEAST_FACTOR: f64 = 0.125;
const RECOVERY_SECONDS: f64 = 60.0;
const ONE_THROTTLE: Duration = Duration::from_secs(1);

impl Bucket {
    fn new(quota: Option<Quota>, pace: Pace, now: Instant) -> Self {
        let (per_second, burst) = quota.map_or((UNDOCUMENTED_PER_SECOND, UNDOCUMENTED_PER_SECOND), |quota| {
            (quota.per_second, quota.burst)
        });
        let share = match pace {
            Pace::Share(share) => share,
            Pace::Unlimited => 1.0,
        };
        let per_second = (per_second * share).max(per_second.min(1.0));
        let burst = (burst * share).max(1.0);
        let enforced = quota.is_some() && pace != Pace::Unlimited;
        Self { per_second, burst, tokens: burst, factor: 1.0, enforced, updated: now, throttled: None }
    }

    /// Takes a token; the time until it may be used.
    fn reserve(&mut self, now: Instant) -> Duration {
        if !self.enforced {
            return Duration::ZERO;
        }
        self.refill(now);
        self.tokens -= 1.0;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(-self.tokens / (self.per_second * self.factor)).unwrap_or(Duration::MAX)
    }

    fn throttled(&mut self, now: Instant) {
        self.refill(now);
        // What was in flight together is throttled together: once is enough.
        let again = self.throttled.is_none_or(|before| now.saturating_duration_since(before) >= ONE_THROTTLE);
        if !again {
            return;
        }
        self.enforced = true;
        self.factor = (self.factor / 2.0).max(LEAST_FACTOR);
        self.tokens = self.tokens.min(0.0);
        self.throttled = Some(now);
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.updated).as_secs_f64();
        self.tokens = (self.tokens + seconds * self.per_second * self.factor).min(self.burst);
        self.factor = (self.factor + seconds / RECOVERY_SECONDS).min(1.0);
        self.updated = now;
    }
}

#[cfg(test)]
mod tests {
    use super::super::quotas::quota;
    use super::*;
    use serde_json::{Map, json};

    fn bucket(per_second: f64, burst: f64, pace: Pace, now: Instant) -> Bucket {
        Bucket::new(Some(Quota { per_second, burst, shared: Shared::ByAction }), pace, now)
    }

    /// Requests that may be sent within `seconds` when as many are asked as can be.
    fn sent_within(bucket: &mut Bucket, start: Instant, seconds: u64) -> u32 {
        let end = Duration::from_secs(seconds);
        let mut now = start;
        let mut sent = 0;
        loop {
            now += bucket.reserve(now);
            if now.saturating_duration_since(start) > end {
                return sent;
            }
            sent += 1;
        }
    }

    #[test]
    fn a_share_of_the_rate_and_of_the_burst_is_used() {
        let now = Instant::now();
        // 30 at once, then six a second for ten seconds.
        let sent = sent_within(&mut bucket(20.0, 100.0, Pace::Share(0.3), now), now, 10);
        assert!((89..=91).contains(&sent), "{sent}");
    }

    #[test]
    fn one_request_a_second_is_always_allowed() {
        let now = Instant::now();
        let sent = sent_within(&mut bucket(1.0, 1.0, Pace::Share(0.1), now), now, 10);
        assert!((10..=11).contains(&sent), "{sent}");
        let sent = sent_within(&mut bucket(5.0, 5.0, Pace::Share(0.01), now), now, 10);
        assert!((10..=11).contains(&sent), "{sent}");
    }

    #[test]
    fn a_rate_documented_below_one_is_kept() {
        let now = Instant::now();
        let bucket = bucket(0.5, 1.0, Pace::Share(0.3), now);
        assert!((bucket.per_second - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_throttle_halves_the_rate_and_takes_the_burst() {
        let now = Instant::now();
        let mut bucket = bucket(10.0, 100.0, Pace::Share(1.0), now);
        bucket.throttled(now);
        assert!((bucket.factor - 0.5).abs() < f64::EPSILON);
        assert_eq!(bucket.reserve(now), Duration::from_millis(200));
    }

    #[test]
    fn throttles_of_one_moment_count_once_and_the_rate_has_a_floor() {
        let now = Instant::now();
        let mut bucket = bucket(10.0, 10.0, Pace::Share(1.0), now);
        for _ in 0..5 {
            bucket.throttled(now);
        }
        assert!((bucket.factor - 0.5).abs() < f64::EPSILON);
        for second in 1..20 {
            bucket.throttled(now + Duration::from_secs(second));
        }
        assert!((0.125..0.2).contains(&bucket.factor), "{}", bucket.factor);
    }

    #[test]
    fn the_rate_recovers_within_a_minute() {
        let now = Instant::now();
        let mut bucket = bucket(10.0, 10.0, Pace::Share(1.0), now);
        bucket.throttled(now);
        bucket.refill(now + Duration::from_secs(10));
        assert!(bucket.factor < 0.7, "{}", bucket.factor);
        bucket.refill(now + Duration::from_mins(1));
        assert!((bucket.factor - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn an_unlimited_lane_is_limited_once_the_server_throttles() {
        let now = Instant::now();
        let mut bucket = bucket(10.0, 10.0, Pace::Unlimited, now);
        for _ in 0..1000 {
            assert_eq!(bucket.reserve(now), Duration::ZERO);
        }
        bucket.throttled(now);
        assert_eq!(bucket.reserve(now), Duration::from_millis(200));
    }

    #[test]
    fn actions_have_their_own_lanes_and_load_balancers_share_one() {
        let limiter = Limiter::new(Pace::Share(0.3));
        let none = Map::new();
        let lane = |account: &str, service, operation| {
            limiter.lane(account, "eu-west-1", (service, operation), quota(service, operation, &none))
        };
        assert!(Arc::ptr_eq(&lane("1", "ec2", "DescribeVpcs"), &lane("1", "ec2", "DescribeVpcs")));
        assert!(!Arc::ptr_eq(&lane("1", "ec2", "DescribeVpcs"), &lane("1", "ec2", "DescribeSubnets")));
        assert!(!Arc::ptr_eq(&lane("1", "ec2", "DescribeVpcs"), &lane("2", "ec2", "DescribeVpcs")));
        assert!(Arc::ptr_eq(&lane("1", "elbv2", "DescribeRules"), &lane("1", "elbv2", "DescribeListeners")));
    }

    #[test]
    fn an_unpaged_describe_has_the_smaller_bucket() {
        let rate = |parameters: serde_json::Value| {
            quota("ec2", "DescribeX", parameters.as_object().unwrap()).map(|quota| quota.per_second)
        };
        assert_eq!(rate(json!({})), Some(10.0));
        assert_eq!(rate(json!({ "AllRegions": true })), Some(10.0));
        assert_eq!(rate(json!({ "MaxResults": 1000 })), Some(20.0));
        assert_eq!(rate(json!({ "VpcId": "vpc-1" })), Some(20.0));
        assert!(quota("s3", "GetBucketPolicy", &Map::new()).is_none());
    }
}
