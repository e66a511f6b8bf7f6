//! The address that pages and streams are served at, where somebody names one: browsers elsewhere then reach it.

use std::net::{IpAddr, TcpListener};

use anyhow::Context;
use segproof_harness::serve::Listen;

/// Reads an address for the command line.
pub fn address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| format!("`{text}` is no IP address"))?;
    if address.is_unspecified() {
        return Err(format!(
            "{address} is no address that a URL could name: give the one at which the other device reaches this machine"
        ));
    }
    Ok(address)
}

/// Where to listen: on this address, or where only this machine's programs reach it. Who listens beyond that is warned;
/// an address that is not this machine's is an error.
pub fn at(host: Option<IpAddr>, port: u16) -> anyhow::Result<Listen> {
    let mut listen = Listen { port, ..Listen::default() };
    let Some(host) = host else { return Ok(listen) };
    listen.host = host;
    TcpListener::bind((host, 0)).with_context(|| {
        format!("{host} can't be listened on: give an address of this machine (`ip addr` shows them)")
    })?;
    if !host.is_loopback() {
        eprintln!(
            "warning: whoever reaches {host} can open the pages and their streams, unencrypted: serve in networks that you trust"
        );
    }
    Ok(listen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_no_url_can_name_is_refused() {
        assert_eq!(address("192.0.2.7"), Ok(IpAddr::from([192, 0, 2, 7])));
        for everywhere in ["0.0.0.0", "::"] {
            assert!(address(everywhere).expect_err("everywhere").contains("no address that a URL"));
        }
        assert!(address("phone.local").expect_err("a name").contains("no IP address"));
    }

    #[test]
    fn only_a_named_address_of_this_machine_takes_the_place_of_loopback() {
        assert_eq!(at(None, 0).expect("the default"), Listen::default());
        assert!(at(None, 0).expect("the default").host.is_loopback());
        let own = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(at(Some(own), 80).expect("this machine"), Listen { host: own, port: 80 });
        // Kept for documentation (RFC 5737): nobody has it.
        let error = at(Some(IpAddr::from([192, 0, 2, 7])), 0).expect_err("elsewhere");
        assert!(format!("{error:#}").contains("address of this machine"), "{error:#}");
    }
}
