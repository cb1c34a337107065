//! TCP ports on the loopback interface.
//!
//! A port that was free a moment ago may be taken when its user binds it: whoever chooses one
//! must be ready to choose again. The choice starts at a different place in every process, so
//! that runs beside each other seldom meet.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// Below what Linux hands to outgoing connections (from 32768), so that no client connection
/// sits on a server's port while that server is being restarted.
const CHOICES: Range<u16> = 20_000..32_000;

/// Whether somebody listens on this port of the loopback interface.
pub fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}

/// The first free port among `wanted`, else any free one; never one of `excluded`. The wanted
/// port 0 stands for "any". `None` only when thousands of ports are taken.
pub fn choose(wanted: &[u16], excluded: &[u16]) -> Option<u16> {
    let usable = |port: &u16| *port != 0 && !excluded.contains(port) && !is_taken(*port);
    let chosen = wanted.iter().copied().take_while(|port| *port != 0).find(usable);
    chosen.or_else(|| others().find(usable))
}

fn others() -> impl Iterator<Item = u16> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    let count = u32::from(CHOICES.end - CHOICES.start);
    let first = now.wrapping_add(std::process::id()) % count;
    (0..count).filter_map(move |step| {
        u16::try_from((first + step) % count).ok().map(|offset| CHOICES.start + offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = listener.local_addr().unwrap().port();
        assert!(is_taken(taken));
        let chosen = choose(&[taken], &[]).unwrap();
        assert!(CHOICES.contains(&chosen));
        assert_ne!(choose(&[chosen], &[chosen]), Some(chosen));
    }
}
