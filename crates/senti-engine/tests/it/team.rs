//! The threads of a team: every piece once, panics reach the caller, work inside work is done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use senti_engine::Team;

#[test]
fn every_item_once_whatever_the_threads() {
    for threads in [1, 2, 3, 8] {
        let team = Team::new(threads);
        for n in [0, 1, 2, 7, 1000] {
            let mut items = vec![0; n];
            for _ in 0..50 {
                team.each(&mut items, |index, item| *item += index + 1);
            }
            assert!(
                items
                    .iter()
                    .enumerate()
                    .all(|(index, item)| *item == 50 * (index + 1)),
                "{n} items, {threads} threads"
            );
        }
    }
}

#[test]
fn a_team_that_slept_wakes_up() {
    let team = Team::new(3);
    let mut items = [0; 6];
    for _ in 0..5 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        team.each(&mut items, |_, item| *item += 1);
    }
    assert_eq!(items, [5; 6]);
}

#[test]
fn rounds_of_an_item_follow_each_other() {
    for threads in [1, 2, 5] {
        let mut items = vec![Vec::new(); 3];
        Team::new(threads).rounds(40, &mut items, |round, _, item: &mut Vec<usize>| {
            item.push(round);
        });
        let wanted: Vec<usize> = (0..40).collect();
        assert!(items.iter().all(|item| *item == wanted));
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_team_goes_on() {
    for threads in [1, 2, 4] {
        let team = Team::new(threads);
        let mut items = [0; 8];
        let work = |index: usize, item: &mut i32| {
            assert!(index != 5, "five");
            *item += 1;
        };
        let panic = catch_unwind(AssertUnwindSafe(|| team.each(&mut items, work))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"five"));
        let rounds = || {
            team.rounds(3, &mut items, |round, index, item| {
                work(index + round, item)
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(rounds)).is_err());
        let done = AtomicUsize::new(0);
        team.each(&mut items, |_, _| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.into_inner(), 8, "{threads} threads");
    }
}

#[test]
fn work_may_share_out_work() {
    let team = Team::new(2);
    let mut rows = vec![vec![0; 5]; 4];
    team.each(&mut rows, |row, items| {
        team.each(items, |column, item| *item = 10 * row + column)
    });
    assert_eq!(rows[3], [30, 31, 32, 33, 34]);
}

#[test]
fn teams_come_and_go() {
    for _ in 0..200 {
        let mut items = [1; 4];
        Team::new(3).each(&mut items, |_, item| *item += 1);
        assert_eq!(items, [2; 4]);
    }
}
