use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use tokio::time::{Instant, advance, sleep, timeout};

use super::{CheckPermit, ClientAddress, FairQueue, Fingerprint, MAX_ADDRESSES, MAX_WAITING};

const PAUSE: Duration = Duration::from_secs(1);
const MAX_WAITING_PER_ADDRESS: usize = MAX_WAITING * 3 / 4;

fn client(number: u8) -> ClientAddress {
    ClientAddress::V4(Ipv4Addr::new(10, 0, 0, number))
}

fn credentials(text: &str) -> Fingerprint {
    Fingerprint::unkeyed(&[text.as_bytes()])
}

/// A request in the queue whose check has not started.
fn enqueue(queue: &Arc<FairQueue>, from: u8, text: &str) -> BoxFuture<'static, Option<CheckPermit>> {
    let (queue, credentials) = (Arc::clone(queue), credentials(text));
    let mut request = async move { queue.acquire(client(from), credentials).await }.boxed();
    assert!((&mut request).now_or_never().is_none(), "it waits");
    request
}

fn is_ready<T>(request: &mut BoxFuture<'static, T>) -> Option<T> {
    request.now_or_never()
}

#[tokio::test(start_paused = true)]
async fn an_address_without_a_failed_check_goes_before_all_that_have_one() {
    let queue = FairQueue::new(1);
    let running = queue.acquire(client(1), credentials("guess")).await.unwrap();
    let mut guesses: Vec<_> = (0..20).map(|number| enqueue(&queue, 1, &format!("guess {number}"))).collect();
    running.finish_failed(PAUSE);
    let running = queue.acquire(client(2), credentials("other")).await.unwrap();
    let mut right = enqueue(&queue, 3, "right");
    advance(2 * PAUSE).await;
    running.finish_failed(PAUSE);
    assert!(guesses.iter_mut().all(|guess| is_ready(guess).is_none()));
    assert!(is_ready(&mut right).flatten().is_some());
}

#[tokio::test(start_paused = true)]
async fn an_address_is_checked_once_at_a_time_and_pauses_after_each_failure() {
    let queue = FairQueue::new(4);
    let began = Instant::now();
    let guess = async |number: u32| {
        let slot = queue.acquire(client(1), credentials(&number.to_string())).await.unwrap();
        sleep(PAUSE).await;
        slot.finish_failed(PAUSE);
    };
    join_all((0..10).map(guess)).await;
    assert_eq!(began.elapsed(), PAUSE * 19);
    // Other addresses do not wait for it.
    assert!(queue.acquire(client(2), credentials("right")).now_or_never().flatten().is_some());
}

#[tokio::test(start_paused = true)]
async fn addresses_take_turns() {
    let queue = FairQueue::new(1);
    let order = std::sync::Mutex::new(Vec::new());
    let guess = async |from: u8| {
        let slot =
            queue.acquire(client(from), credentials(&format!("{from} {:?}", order.lock().unwrap()))).await.unwrap();
        order.lock().unwrap().push(from);
        sleep(PAUSE).await;
        slot.finish_failed(PAUSE);
    };
    join_all([1, 1, 1, 1, 2, 2, 3].map(guess)).await;
    assert_eq!(*order.lock().unwrap(), [1, 2, 3, 1, 2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_rejects_the_newest_request_of_the_largest_client() {
    let queue = FairQueue::new(1);
    let running = queue.acquire(client(1), credentials("guess")).await.unwrap();
    let mut many: Vec<_> =
        (0..MAX_WAITING_PER_ADDRESS).map(|number| enqueue(&queue, 1, &format!("many {number}"))).collect();
    assert!(queue.acquire(client(1), credentials("one more")).await.is_none());
    let rest = MAX_WAITING - MAX_WAITING_PER_ADDRESS;
    let mut few: Vec<_> = (0..rest).map(|number| enqueue(&queue, 2, &format!("few {number}"))).collect();
    let mut right = enqueue(&queue, 3, "right");
    assert!(many.pop().unwrap().await.is_none(), "the newest makes room");
    assert!(many.iter_mut().chain(&mut few).all(|request| is_ready(request).is_none()));
    running.finish_failed(PAUSE);
    // The last one waits for a single check of the other address, not for all of them.
    let first_of_few = few.remove(0).await.unwrap();
    first_of_few.finish_failed(PAUSE);
    assert!(is_ready(&mut right).flatten().is_some());
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_hold_half_of_the_connections_at_most() {
    for (connections, expected) in [(1024, MAX_WAITING), (256, MAX_WAITING), (32, 16), (2, 1), (1, 0)] {
        let queue = FairQueue::new(1);
        queue.limit_waiting_to_half_of(connections);
        let running = queue.acquire(client(1), credentials("guess")).await;
        let requests: Vec<_> = (0..400_u32)
            .map(|number| {
                let (queue, number) = (Arc::clone(&queue), number.to_be_bytes());
                let mut request =
                    async move { queue.acquire(client(number[3]), Fingerprint::unkeyed(&[&number])).await }.boxed();
                assert!((&mut request).now_or_never().flatten().is_none());
                request
            })
            .collect();
        assert_eq!(queue.lock().waiting.len(), expected, "{connections}");
        drop((running, requests));
    }
}

#[tokio::test(start_paused = true)]
async fn resent_credentials_keep_their_place_and_are_checked() {
    let queue = FairQueue::new(1);
    let mut running = queue.acquire(client(1), credentials("guess")).await.unwrap();
    let mut guesses: Vec<_> =
        (0..MAX_WAITING_PER_ADDRESS).map(|number| enqueue(&queue, 1, &format!("guess {number}"))).collect();
    assert!(queue.acquire(client(1), credentials("right")).await.is_none());
    // A check ends and another guess arrives, so the queue is always full.
    let mut next_guess = async |running: CheckPermit, number: usize| {
        running.finish_failed(PAUSE);
        let running = guesses.remove(0).await.unwrap();
        guesses.push(enqueue(&queue, 1, &format!("another guess {number}")));
        running
    };
    for number in 0..MAX_WAITING_PER_ADDRESS - 1 {
        running = next_guess(running, number).await;
    }
    let mut right = enqueue(&queue, 1, "right");
    running = next_guess(running, MAX_WAITING_PER_ADDRESS).await;
    assert!(is_ready(&mut right).is_none(), "one guess came before it");
    running.finish_failed(PAUSE);
    assert!(right.await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_disconnected_client_leaves_the_queue_and_keeps_its_number() {
    let queue = FairQueue::new(1);
    let running = queue.acquire(client(1), credentials("guess")).await.unwrap();
    let right = queue.acquire(client(2), credentials("right"));
    assert!(timeout(PAUSE, right).await.is_err());
    let mut other = enqueue(&queue, 2, "other");
    let mut right = enqueue(&queue, 2, "right");
    running.finish_failed(PAUSE);
    assert!(is_ready(&mut other).is_none());
    assert!(is_ready(&mut right).flatten().is_some());
    assert!(is_ready(&mut other).flatten().is_some());
    assert!(queue.lock().waiting.is_empty() && queue.lock().running.is_empty());
}

#[tokio::test(start_paused = true)]
async fn stored_addresses_are_bounded() {
    let queue = FairQueue::new(1);
    for number in 0..3 * MAX_ADDRESSES.get() {
        let client = ClientAddress::V6(number as u64);
        queue.acquire(client, credentials("guess")).await.unwrap().finish_failed(PAUSE);
        assert!(queue.lock().pauses.len() <= MAX_ADDRESSES.get());
    }
    assert!(queue.lock().pauses.contains(&ClientAddress::V6(3 * MAX_ADDRESSES.get() as u64 - 1)));
}
