use tracing::{info, warn};
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

#[test]
fn a_burst_is_allowed_and_then_two_lines_a_second() {
    let start = Instant::now();
    let mut bucket = TokenBucket::full(start);
    let taken = |bucket: &mut TokenBucket, after: u64| {
        (0..1000).filter(|_| bucket.take(start + Duration::from_millis(after))).count()
    };
    assert_eq!(taken(&mut bucket, 0), 200);
    assert_eq!([1, 499, 500, 999, 1000].map(|after| taken(&mut bucket, after)), [0, 0, 1, 0, 1]);
    assert_eq!(taken(&mut bucket, 11_250), 20);
    assert_eq!(taken(&mut bucket, 11_500), 1, "half an interval is not lost");
    assert_eq!(taken(&mut bucket, 86_400_000), 200);
}

/// Counts the lines that pass the limiter, by message.
#[derive(Default)]
struct Passed(Mutex<HashMap<String, u64>>);

impl<S: Subscriber> Layer<S> for &'static Passed {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        *self.0.lock().unwrap().entry(message_of(event)).or_default() += 1;
    }
}

#[test]
fn a_suppressed_callsite_does_not_affect_others_and_is_summarized() {
    let (limiter, passed): (&'static RateLimiter, &'static Passed) =
        (Box::leak(Box::default()), Box::leak(Box::default()));
    let subscriber = tracing_subscriber::registry().with(passed).with(limiter);
    tracing::subscriber::with_default(subscriber, || {
        for number in 0..10_000 {
            info!(number, "a flood");
            if number == 9_000 {
                warn!("a fault");
            }
            tracing::debug!("wanted");
        }
        limiter.summarize();
        limiter.summarize();
    });
    let passed = passed.0.lock().unwrap();
    let flood = passed["a flood"];
    // A slow machine allows two more lines a second.
    assert!((200..1000).contains(&flood), "{flood}");
    assert_eq!(limiter.suppressed(), 10_000 - flood);
    assert_eq!((passed["a fault"], passed["wanted"]), (1, 10_000));
    assert_eq!(passed["log lines suppressed by the rate limit"], 1);
}
