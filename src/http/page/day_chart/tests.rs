use super::*;

#[test]
fn a_day_has_a_bar_for_each_five_minutes_with_failures() {
    let bucket = |failing| ActivityBucket { failing, attempts: 2, started: 1, ..ActivityBucket::default() };
    let day = DayChart::new(&[bucket(1), bucket(0), bucket(4)]);
    assert_eq!(day.bars, "M285 40v-10h1v10zM287 40v-40h1v40z");
    assert_eq!((day.max, day.attempts, day.started, day.ended, day.unwatched), (4, 6, 3, 0, 285));
    assert_eq!(DayChart::new(&[]).bars, "");
}
