//! After its end a client leaves nothing behind (S16). Alone in its process, whose descriptors it counts.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a surprise is a failure, and they drive real sockets"
)]

#[path = "sessions/world.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod world;

use std::time::Duration;

use greenroom_session::client::SessionState;
use tokio::runtime::Handle;
use world::{User, at, join_options, start};

/// What this process holds open.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What is held when nothing changes any more: connections are closed by their tasks, a moment later.
async fn settled(server: &Handle) -> (usize, usize, usize) {
    let mut last = (0, 0, 0);
    for _ in 0..100 {
        let ours = Handle::current().metrics().num_alive_tasks();
        let now = (ours, server.metrics().num_alive_tasks(), descriptors());
        if now == last {
            return now;
        }
        last = now;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    last
}

/// The server has a runtime of its own, so that tasks of the client are counted alone.
#[test]
fn s16_after_cleanup_no_task_and_no_socket_is_left() {
    let build = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (of_server, of_client) = (build(), build());
    let server = of_server.block_on(start());
    let url = server.base_url();
    let handle = of_server.handle().clone();
    of_client.block_on(async {
        // The first round pays for what a process keeps: the resolver's thread, tables of TLS.
        let mut before = None;
        for round in 0..3 {
            let user = User::ready(&url).await;
            user.client
                .join(join_options("a", "ann", true))
                .await
                .unwrap();
            let during = descriptors();
            if round == 1 {
                // Also without a goodbye of the caller.
                user.client.cleanup().await;
            } else {
                user.client.leave().await.unwrap();
                user.client.init(at(&url)).await.unwrap();
                user.client.cleanup().await;
            }
            assert_eq!(user.client.state(), SessionState::Idle);
            drop(user);
            let after = settled(&handle).await;
            assert!(after.2 < during, "{after:?} {during}");
            match before {
                None => before = Some(after),
                Some(before) => assert_eq!(after, before, "round {round}"),
            }
        }
        assert_eq!(before.unwrap().0, 0, "tasks of the client live on");
    });
    of_server.block_on(server.stop(Duration::ZERO));
}
