//! The same calls by tonic: a service that says a text again, over TLS 1.3 with certificates on both sides.

use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

mod service {
    include!(concat!(env!("OUT_DIR"), "/peers.Echo.rs"));
}

pub use service::echo_client::EchoClient;
use service::echo_server::{Echo, EchoServer};

/// What is said.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Text {
    /// The text.
    #[prost(string, tag = "1")]
    pub text: String,
}

#[derive(Debug)]
struct Says;

#[tonic::async_trait]
impl Echo for Says {
    async fn say(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

/// Serves with the HTTP certificate of the node's files in `node`, and says where.
pub async fn serve(node: &Path, address: std::sync::mpsc::Sender<SocketAddr>) -> anyhow::Result<()> {
    let read = |name: &str| std::fs::read(node.join(name));
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(read("http.crt")?, read("http.key")?))
        .client_ca_root(Certificate::from_pem(read("ca.crt")?));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    address.send(listener.local_addr()?)?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder()
        .tls_config(tls)?
        .add_service(EchoServer::new(Says))
        .serve_with_incoming(incoming)
        .await?)
}

/// How to reach the node `name` at `address` with the operator's files in `operator`.
pub fn endpoint(operator: &Path, name: &str, address: SocketAddr) -> anyhow::Result<Endpoint> {
    let read = |name: &str| std::fs::read(operator.join(name));
    let tls = ClientTlsConfig::new()
        .domain_name(name)
        .ca_certificate(Certificate::from_pem(read("ca.crt")?))
        .identity(Identity::from_pem(read("operator.crt")?, read("operator.key")?));
    Ok(Channel::from_shared(format!("https://{address}"))?.tcp_nodelay(true).tls_config(tls)?)
}
