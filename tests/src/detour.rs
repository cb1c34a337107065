//! A TCP port that leads to another one, or nowhere: how a part of the world goes away for one
//! installation and stays for the others.

use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A port on the loopback interface. Ends with the value.
pub struct Detour {
    port: u16,
    target: u16,
    leads_to: watch::Sender<Option<u16>>,
    task: JoinHandle<()>,
}

impl Detour {
    /// Leads to this port of the loopback interface, once it is opened.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (leads_to, shown) = watch::channel(None);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(lead(connection, shown.clone()));
            }
        });
        Self { port, target, leads_to, task }
    }

    /// Where it is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on it leads there.
    pub fn open(&self) {
        self.turn_to(self.target);
    }

    /// From now on it leads to this port instead: connections are cut.
    pub fn turn_to(&self, port: u16) {
        self.leads_to.send_replace(Some(port));
    }

    /// From now on it leads nowhere: connections are cut.
    pub fn close(&self) {
        self.leads_to.send_replace(None);
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.close();
        self.task.abort();
    }
}

/// One connection, for as long as the way is the same.
async fn lead(mut from: TcpStream, mut leads_to: watch::Receiver<Option<u16>>) {
    let Some(target) = *leads_to.borrow_and_update() else { return };
    let Ok(mut to) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut from, &mut to) => {}
        _ = leads_to.changed() => {}
    }
}
