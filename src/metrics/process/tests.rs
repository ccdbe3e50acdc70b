use super::*;

/// A process whose name contains a space and a parenthesis: user time 250, system time 50 and start 12000 ticks.
const STAT: &str = "4711 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 11 12 20 0 9 0 12000 104857600 2560 0";

#[test]
fn cpu_time_is_the_sum_of_user_and_system_time() {
    assert_eq!(cpu_seconds(STAT), Some(3.0));
    for broken in ["", "4711 (a) S", "4711 (a) S 1 2 3 4 5 6 7 8 9 10 250"] {
        assert_eq!(cpu_seconds(broken), None, "{broken}");
    }
}

#[test]
fn the_age_is_the_uptime_less_the_start() {
    assert_eq!(age(STAT, "150.25 99.5\n"), Some(Duration::from_millis(30_250)));
    for (stat, uptime) in [("", "150.25"), (STAT, ""), (STAT, "119.0")] {
        assert_eq!(age(stat, uptime), None, "{stat} {uptime}");
    }
}

#[test]
fn a_number_is_the_first_word_after_its_name() {
    let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                  Max processes             94230                94230                processes \n\
                  Max open files            1024                 524288               files     \n";
    assert_eq!(number_after(limits, "Max open files"), Some(1024));
    assert_eq!(number_after::<u32>(limits, "Max locked memory"), None);
    assert_eq!(
        number_after::<u32>("Max open files            unlimited            unlimited  files\n", "Max open files"),
        None
    );
}

#[cfg(target_os = "linux")]
#[test]
fn the_statistics_are_those_of_this_process() {
    let stats = ProcessStats::read();
    let mebibyte = 1024.0 * 1024.0;
    assert!(
        stats.resident_memory_bytes > mebibyte && stats.resident_memory_bytes < stats.virtual_memory_bytes,
        "{stats:?}"
    );
    assert!(stats.open_fds >= 3.0 && stats.open_fds < stats.max_fds, "{stats:?}");
    assert_eq!(max_open_files().map(|max| max as f64), Some(stats.max_fds));
    // The tests have used less than a day of CPU time, and started less than a day ago.
    let now = Timestamp::from_unix_millis(1_800_000_000_000);
    let age = now.saturating_duration_since(start_time(now)).as_secs_f64();
    assert!(age < 86_400.0 && stats.cpu_seconds < 86_400.0, "{age} {stats:?}");
}
