//! Installing as it goes wrong: bad bundles, interruptions, full disks, the wrong machine, removal.

use anyhow::{Result, ensure};

use crate::host::{Answer, Lab, eventually};
use crate::mesh::{Mesh, SOON, main_pid, refused_to_start};
use crate::packages::{Packages, as_version};

const CA: &str = "cd ~/p2p; export P2P_CA_DIR=/root/p2p-ca; ";
/// Nothing of the product is on the machine.
const NOTHING: &str =
    "! dpkg-query -W -f '${db:Status-Status}\\n' p2p-node 2>/dev/null | grep -v '^not-installed'
    test ! -e /etc/p2p-admin -a ! -e /var/lib/p2p-admin -a ! -e /usr/bin/p2p-node";

/// A host with the packages delivered and a CA, and nothing installed but the console.
fn workshop(packages: &Packages) -> Result<Lab> {
    let lab = Lab::up(&["one"])?;
    Mesh::deliver(&lab, "one", packages)?;
    lab.run(
        "one",
        &format!(
            "{CA} mkdir tools; dpkg-deb --fsys-tarfile p2p-node_*.deb | tar -C tools -xf - ./usr/bin/p2p-node
             mv tools/usr/bin/p2p-node /usr/local/bin/p2p; p2p ca init --mesh home --no-passphrase
             p2p ca issue node one --address one; p2p ca issue node other
             p2p ca bundle node one > one.tar; p2p ca bundle node other > other.tar"
        ),
    )?;
    Ok(lab)
}

fn install(lab: &Lab, arguments: &str) -> Result<Answer> {
    lab.attempt("one", &format!("cd ~/p2p; ./install.sh {arguments}"))
}

/// Each is refused with its reason, and the machine is as it was.
pub fn bad_certificates() -> Result<()> {
    let packages = Packages::find()?;
    workshop(&packages)?.test(|lab| {
        lab.run(
            "one",
            &format!(
                "{CA} mkdir a b; tar -C a -xf one.tar; tar -C b -xf other.tar; cp b/node.key a/node.key
                 tar -C a -cf mismatch.tar ca.crt node.crt node.key http.crt http.key bootstrap
                 echo nonsense > nonsense.tar; head -c 3000 one.tar > half.tar
                 p2p ca issue operator ann --role admin --no-passphrase; p2p ca bundle operator ann > ann.tar
                 faketime '100 days ago' p2p ca --dir old init --no-passphrase
                 faketime '100 days ago' p2p ca --dir old issue node one --days 1; p2p ca --dir old bundle node one > old.tar"
            ),
        )?;
        for (bundle, words) in [
            ("mismatch.tar", "not the key of the certificate"),
            ("nonsense.tar", "nonsense.tar"),
            ("half.tar", "half.tar"),
            ("ann.tar", "p2p-tui import"),
            ("old.tar", "ca.sh renew"),
            ("absent.tar", "absent.tar"),
        ] {
            let answer = install(lab, &format!("--bundle {bundle}"))?;
            ensure!(answer.code != 0 && answer.text().contains(words), "{bundle}: {words}: {answer}");
            ensure!(answer.text().lines().count() <= 2, "{bundle}: a clear line: {answer}");
            lab.run("one", NOTHING)?;
        }

        install(lab, "--bundle one.tar")?.expect(0, &[])?;
        let refused = |what: &str, words: &str| -> Result<()> {
            lab.attempt("one", "systemctl restart p2p-node")?;
            eventually(what, SOON, || refused_to_start(lab, "one"))?;
            let said = lab.run("one", "journalctl -u p2p-node -n 8 --no-pager -o cat")?;
            ensure!(said.contains(words), "{what}: {said}");
            lab.attempt("one", "p2p-node doctor")?.expect(78, &[words, "do:"])?;
            Ok(())
        };
        lab.run("one", "chmod 644 /etc/p2p-admin/pki/node.key")?;
        refused("a key that all can read", "others can read this key")?;
        lab.run("one", "chmod 600 /etc/p2p-admin/pki/node.key; cp ~/p2p/b/node.key /etc/p2p-admin/pki/node.key")?;
        refused("the key of another node", "not the key of the certificate")?;
        lab.run("one", &format!("{CA} cp -f a/* /etc/p2p-admin/pki/; tar -xf old.tar -C /etc/p2p-admin/pki"))?;
        refused("a certificate that has ended", "ca.sh renew")?;
        // Another node's bundle does not slip in; the right one mends it all.
        install(lab, "--bundle other.tar")?.expect(65, &["--replace"])?;
        install(lab, "--replace --bundle one.tar")?.expect(0, &["1 of 1 members alive"])?;
        Ok(())
    })
}

/// Without root, without systemd, twice, at the same time, killed at any moment.
pub fn again_and_wrongly() -> Result<()> {
    let packages = Packages::find()?;
    workshop(&packages)?.test(|lab| {
        let bundle = "./install.sh --bundle one.tar";
        let wrong = |prefix: &str| lab.attempt("one", &format!("cd ~/p2p; {prefix} {bundle}"));
        lab.run("one", "chmod 755 /root /root/p2p; chmod 644 /root/p2p/one.tar")?;
        wrong("setpriv --reuid=65534 --regid=65534 --clear-groups")?.expect(77, &["only root"])?;
        wrong("unshare --mount sh -c 'mount -t tmpfs none /run/systemd && exec \"$@\"' sh")?
            .expect(69, &["systemd does not run"])?;
        install(lab, "--bundle one.tar --profile half")?.expect(2, &["full or restricted"])?;
        install(lab, "")?.expect(2, &["--bundle NAME.tar"])?;
        lab.run("one", NOTHING)?;

        for seconds in ["0.15", "0.3", "0.5", "0.8", "1.2"] {
            lab.attempt("one", &format!("cd ~/p2p; timeout -s KILL {seconds} {bundle}"))?;
            // Whatever dpkg was at ends with it, as at a power cut.
            lab.attempt("one", "pkill -KILL dpkg; while pgrep -x dpkg >/dev/null; do :; done")?;
        }
        install(lab, "--bundle one.tar")?.expect(0, &["1 of 1 members alive"])?;
        let pid = main_pid(lab, "one")?;
        install(lab, "--bundle one.tar")?.expect(0, &["1 of 1 members alive"])?;
        ensure!(main_pid(lab, "one")? == pid, "nothing to do is nothing done");
        let leftovers = lab.run("one", "ls -A /etc/p2p-admin; ls /etc/p2p-admin/pki; ls -d /tmp/tmp.* 2>/dev/null | wc -l")?;
        ensure!(
            leftovers.split_whitespace().eq("node.toml pki policy.toml secrets bootstrap ca.crt http.crt http.key node.crt node.key"
                .split(' ')
                .chain([leftovers.lines().last().unwrap_or_default()])),
            "{leftovers}"
        );
        lab.run("one", "flock /run/p2p-install.lock sleep 20 & sleep 0.2; cd ~/p2p; ./install.sh && exit 1; test $? = 69; kill %1")?;

        // A second node beside the service: it says what is in its way.
        let second = "p2p-node run --certs ~/p2p-ca/nodes/other --data /var/tmp/second";
        lab.attempt("one", second)?.expect(69, &["--port"])?;
        lab.attempt("one", &format!("{second} --port 0"))?.expect(69, &["--dht-port"])?;
        lab.attempt("one", "p2p-node run --port 0 --dht-port 0 --data /var/lib/p2p-admin")?
            .expect(78, &["another p2p-node"])?;
        lab.attempt("one", &format!("timeout 3 {second} --port 0 --dht-port 0 --bootstrap 127.0.0.1:5678"))?
            .expect(124, &["joined the mesh"])?;
        Ok(())
    })
}

/// Configuration, state and running programs survive; the node starts anew. Also from an older version.
pub fn upgrade() -> Result<()> {
    let packages = Packages::find()?;
    let (_old_directory, old) = as_version(&packages.node, "0.0.9")?;
    let (_new_directory, new) = as_version(&packages.node, "99.0.0")?;
    Lab::up(&["one"])?.test(|lab| {
        lab.push(&[&old, &new], "one", "/root/versions")?;
        lab.run("one", "dpkg -i /root/versions/p2p-node_0.0.9_*.deb")?;
        let mesh = Mesh::new(lab, &["one"], &packages)?;
        lab.run(
            "one",
            "echo '# mine' >> /etc/p2p-admin/node.toml; p2p-tui label one role=kept
             systemd-run --quiet --slice=p2p-admin-managed.slice --unit=program sleep 4242",
        )?;
        let (pid, program) = (main_pid(lab, "one")?, lab.run("one", "systemctl show -P MainPID program")?);
        install(lab, "--package /root/versions/p2p-node_99.0.0_*.deb")?
            .expect(0, &["99.0.0", "1 of 1 members alive"])?;
        ensure!(main_pid(lab, "one")? != pid, "the node is started anew");
        ensure!(lab.run("one", "systemctl show -P MainPID program")? == program, "programs go on");
        lab.run(
            "one",
            "grep -qx '# mine' /etc/p2p-admin/node.toml; p2p-tui nodes --on role=kept | grep -q one",
        )?;
        mesh.all_alive(&["one"])?;
        install(lab, "")?.expect(1, &["99.0.0 is installed and newer"])?;
        lab.run("one", "systemctl disable --now p2p-node")?;
        install(lab, "--package /root/versions/p2p-node_99.0.0_*.deb")?.expect(0, &["stays so"])?;
        lab.attempt("one", "systemctl is-active p2p-node")?.expect(3, &[])?;
        Ok(())
    })
}

/// The upgrade fails whole, the node goes on, and there is nothing to clean up but the disk.
pub fn full_disk() -> Result<()> {
    let packages = Packages::find()?;
    let (_directory, new) = as_version(&packages.node, "99.0.0")?;
    Lab::up(&["one"])?.test(|lab| {
        let mesh = Mesh::new(lab, &["one"], &packages)?;
        lab.push(&[&new], "one", "/root/versions")?;
        let pid = main_pid(lab, "one")?;
        lab.run("one", "sync; fallocate -l $(($(stat -fc '%a * %S' /) - (6 << 20))) /filler; df -h /")?;
        let answer = install(lab, "--package /root/versions/p2p-node_99.0.0_*.deb")?;
        ensure!(answer.code == 1 && answer.text().contains("No space left"), "{answer}");
        ensure!(main_pid(lab, "one")? == pid, "the old node goes on");
        lab.run("one", "test \"$(dpkg-query -W -f '${Version} ${db:Status-Status}' p2p-node)\" != '99.0.0 installed'; p2p-node --version")?;
        mesh.all_alive(&["one"])?;
        lab.attempt("one", "p2p-node doctor")?.expect(0, &["free"])?;
        lab.run("one", "rm /filler")?;
        install(lab, "--package /root/versions/p2p-node_99.0.0_*.deb")?.expect(0, &["99.0.0", "1 of 1 members alive"])?;
        Ok(())
    })
}

/// `--uninstall` keeps what cannot be made again; `--purge` keeps nothing.
pub fn removal() -> Result<()> {
    let packages = Packages::find()?;
    Lab::up(&["one"])?.test(|lab| {
        Mesh::new(lab, &["one"], &packages)?;
        install(lab, "--profile restricted")?.expect(0, &[])?;
        let before = lab.run("one", "p2p-tui nodes -o json | grep '\"id\"'")?;
        install(lab, "--uninstall")?.expect(0, &["stay"])?;
        lab.attempt("one", "pgrep -x p2p-node")?.expect(1, &[])?;
        lab.run("one", "test -e /etc/p2p-admin/pki/node.key -a -e /var/lib/p2p-admin -a ! -e /usr/bin/p2p-node")?;
        install(lab, "--uninstall")?.expect(0, &["removed already"])?;
        install(lab, "")?.expect(0, &["1 of 1 members alive"])?;
        ensure!(lab.run("one", "p2p-tui nodes -o json | grep '\"id\"'")? == before, "the same node again");
        install(lab, "--uninstall --purge")?.expect(0, &["gone"])?;
        lab.run("one", NOTHING)?;
        lab.run("one", "test ! -e /etc/systemd/system/p2p-node.service.d -a ! -e /run/p2p-admin; ! getent passwd p2p-admin; ! systemctl cat p2p-node")?;
        install(lab, "--uninstall --purge")?.expect(0, &["not installed"])?;
        Ok(())
    })
}

/// The package alone installs and does not start, and says what to do, in every place where one would look.
pub fn without_certificate() -> Result<()> {
    let packages = Packages::find()?;
    workshop(&packages)?.test(|lab| {
        lab.attempt("one", "dpkg -i ~/p2p/p2p-node_*.deb")?.expect(0, &["p2p-node import"])?;
        lab.attempt("one", "systemctl is-active p2p-node")?.expect(3, &[])?;
        lab.attempt("one", "systemctl start p2p-node")?.expect(1, &["ssert"])?;
        lab.attempt("one", "p2p-node run")?.expect(78, &["no certificate"])?;
        lab.attempt("one", "p2p-node doctor")?.expect(78, &["no certificate", "do:"])?;
        lab.run("one", "cd ~/p2p; p2p-node import one.tar; systemctl enable --now p2p-node")?;
        main_pid(lab, "one")?;
        // The rest of the world: manual pages and completions are there.
        lab.run(
            "one",
            "test -e /usr/share/man/man8/p2p-node.8.gz -a -e /usr/share/bash-completion/completions/p2p-node",
        )?;
        Ok(())
    })
}
