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
    is_open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Detour {
    /// Leads to this port of the loopback interface, once it is opened.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (is_open, shown) = watch::channel(false);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(lead(connection, target, shown.clone()));
            }
        });
        Self { port, is_open, task }
    }

    /// Where it is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on it leads there.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// From now on it leads nowhere: connections are cut.
    pub fn close(&self) {
        self.is_open.send_replace(false);
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.close();
        self.task.abort();
    }
}

/// One connection, for as long as the way is open.
async fn lead(mut from: TcpStream, target: u16, mut is_open: watch::Receiver<bool>) {
    if !*is_open.borrow_and_update() {
        return;
    }
    let Ok(mut to) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut from, &mut to) => {}
        _ = is_open.changed() => {}
    }
}
