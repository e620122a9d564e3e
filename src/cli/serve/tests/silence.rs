//! Time passes only over silence that is proved: a door that stalls fires nobody's "did not".

use std::sync::Arc;

use serde_json::json;

use super::world::{Place, at, event};
use crate::cli::door::Failure;
use crate::dispatch::NoFaults;

fn lived(place: &Place, now: &str, story: impl FnOnce(&mut super::world::Life) -> Result<(), Failure>) {
    place.live(at(now), Arc::new(NoFaults), story).unwrap();
}

fn reach(user: &str, time: &str) -> (String, String) {
    (user.to_string(), time.to_string())
}

// proves: S2.47
#[test]
fn who_did_not_share_is_reached_though_nothing_more_comes() {
    let place = Place::new(1);
    lived(&place, "10:00:00", |life| {
        life.step(at("10:00:00"))?;
        let came = [event("e1", "u3", "view", "10:00:01"), event("e2", "u4", "view", "10:00:02")];
        assert_eq!(life.post(&came, at("10:00:03"))?, 2);
        life.step(at("10:00:03"))?;
        life.post(&[event("e3", "u4", "share", "10:20:02")], at("10:20:03"))?;
        life.step(at("10:21:01"))?;
        assert_eq!(place.reached(), [], "the watermark is not past the deadline");
        life.step(at("10:21:05"))?;
        assert_eq!(place.reached(), [reach("u3", "10:20:01")]);
        life.end()
    });
    assert_eq!((place.count("did view"), place.count("did share")), (2, 1));
}

#[test]
fn a_door_that_stalls_in_the_middle_of_a_line_fires_no_false_not_b() {
    let place = Place::new(1);
    lived(&place, "10:00:00", |life| {
        life.step(at("10:00:00"))?;
        life.post(&[event("e1", "u3", "view", "10:00:01")], at("10:00:02"))?;
        life.step(at("10:10:00"))?;
        // A sender has begun to talk, and is stuck for hours.
        let visit = life.hall.enter(0).ok();
        for hour in 11..20 {
            life.step(at(&format!("{hour}:00:00")))?;
        }
        assert_eq!(place.reached(), []);
        life.post(&[event("e2", "u3", "share", "10:12:00")], at("20:00:00"))?;
        drop(visit);
        life.step(at("20:00:01"))?;
        life.step(at("20:30:00"))?;
        assert_eq!(place.reached(), []);
        life.end()
    });
}

#[test]
fn senders_get_time_to_come_again_after_an_outage() {
    let place = Place::new(1);
    lived(&place, "10:00:00", |life| {
        life.post(&[event("e1", "u3", "view", "10:00:01")], at("10:00:02"))?;
        life.step(at("10:01:00"))
    });
    lived(&place, "10:25:00", |life| {
        life.step(at("10:25:00"))?;
        life.step(at("10:25:50"))?;
        assert_eq!(place.reached(), []);
        // This was sent at 10:05, when nobody listened.
        life.post(&[event("e2", "u3", "share", "10:05:00")], at("10:25:55"))?;
        life.step(at("10:26:30"))?;
        life.step(at("10:40:00"))?;
        assert_eq!(place.reached(), []);
        life.end()
    });
}

#[test]
fn bad_lines_are_told_and_stop_nothing() {
    let place = Place::new(1);
    lived(&place, "10:00:00", |life| {
        let came = [json!({"user_id": "u3"}), event("e1", "u3", "view", "10:00:01"), json!(5)];
        assert_eq!(life.post(&came, at("10:00:02"))?, 1);
        life.step(at("10:00:03"))?;
        life.end()
    });
    let rejects = place.shell.folder.path().join("home/rejects/serve.ndjson");
    assert_eq!(std::fs::read_to_string(rejects).unwrap().lines().count(), 2);
}

#[test]
fn new_users_new_properties_and_new_types_are_known_before_they_are_asked() {
    let place = Place::new(1);
    let with = |id: &str, user: &str, more: serde_json::Value| {
        let mut one = event(id, user, "view", "10:00:01");
        one["properties"] = more;
        one
    };
    lived(&place, "10:00:00", |life| {
        life.post(&[with("e1", "new1", json!({"n": 1}))], at("10:00:02"))?;
        life.step(at("10:00:02"))?;
        life.post(&[with("e2", "new2", json!({"n": 1.5, "page": "/"}))], at("10:00:03"))?;
        life.step(at("10:00:03"))?;
        life.post(&[event("e3", "new3", "view", "10:00:04")], at("10:00:04"))?;
        life.step(at("10:30:00"))?;
        life.end()
    });
    let users: Vec<String> = place.reached().into_iter().map(|(user, _)| user).collect();
    assert_eq!(users, ["new1", "new2", "new3"]);
    assert_eq!((place.count("did view where n > 0"), place.count("did view where n > 1")), (2, 1));
    assert_eq!(place.count("did view count >= 2"), 0);
}

#[test]
fn the_same_event_twice_counts_once() {
    let place = Place::new(1);
    lived(&place, "10:00:00", |life| {
        for time in ["10:00:02", "10:00:05", "10:10:00"] {
            life.post(&[event("e1", "u3", "view", "10:00:01")], at(time))?;
            life.step(at(time))?;
        }
        life.step(at("10:50:00"))?;
        life.end()
    });
    assert_eq!(place.reached(), [reach("u3", "10:20:01")]);
    assert_eq!((place.count("did view"), place.count("did view count >= 2")), (1, 0));
}
