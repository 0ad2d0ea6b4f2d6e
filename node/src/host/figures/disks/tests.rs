use proptest::prelude::*;

use super::*;

fn selected(lines: &[&str]) -> Vec<String> {
    select(lines.iter().filter_map(|line| parse_mount(line)))
        .into_iter()
        .map(|mount| mount.mountpoint)
        .collect()
}

#[test]
fn a_line_is_taken_apart() {
    let line =
        r"36 35 8:1 /srv /mnt/a\040b\134 ro,noatime master:1 shared:2 - ext4 /dev/sda1 rw,errors=continue";
    let mount = parse_mount(line).unwrap();
    assert_eq!(
        (mount.device, mount.root.as_str(), mount.mountpoint.as_str()),
        ((8, 1), "/srv", r"/mnt/a b\")
    );
    assert_eq!((mount.kind.as_str(), mount.source.as_str(), mount.read_only), ("ext4", "/dev/sda1", true));
    for line in ["", "36 35 8:1 / /", "36 35 8 / / rw - ext4 /dev/sda1 rw", "- - -"] {
        assert_eq!(parse_mount(line), None);
    }
}

#[test]
fn what_holds_data_stays_and_what_may_hang_goes() {
    let found = selected(&[
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
        "2 1 0:5 / /proc rw - proc proc rw",
        "3 1 0:6 / /run rw - tmpfs tmpfs rw",
        "4 1 8:2 / /home rw - xfs /dev/sda2 rw",
        "5 1 0:40 / /mnt/nfs rw - nfs4 server:/export rw",
        "6 1 0:41 / /mnt/ssh rw - fuse.sshfs host:/ rw",
        "7 1 7:0 / /snap/x/1 ro - squashfs /dev/loop0 ro",
        "8 1 0:42 / /tank rw - zfs tank rw",
        "9 1 0:43 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw",
    ]);
    assert_eq!(found, ["/", "/home", "/tank"]);
}

#[test]
fn a_container_shows_its_root_and_its_volumes() {
    let found = selected(&[
        "1 0 0:50 / / rw - overlay overlay rw",
        "2 1 8:1 /volumes/data /data rw - ext4 /dev/sda1 rw",
        "3 1 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw",
    ]);
    assert_eq!(found, ["/", "/data"]);
}

#[test]
fn bind_mounts_and_subvolumes_appear_once() {
    let found = selected(&[
        "1 0 0:30 /@ / rw - btrfs /dev/nvme0n1p2 rw",
        "2 1 0:30 /@home /home rw - btrfs /dev/nvme0n1p2 rw",
        "3 1 8:2 / /very/long/place rw - xfs /dev/sdb1 rw",
        "4 1 8:2 /part /b rw - xfs /dev/sdb1 rw",
        "5 1 8:3 / /c rw - xfs /dev/sdc1 rw",
        "6 1 8:4 / /c rw - xfs /dev/sdd1 rw",
    ]);
    assert_eq!(found, ["/", "/c", "/very/long/place"]);
}

#[test]
fn rates_are_of_the_device() {
    let counters = parse_counters("   8       1 sda1 10 0 100 5 20 0 200 7 0 0 0\ngarbage\n 8 x y\n");
    assert_eq!(counters[&(8, 1)], (51_200, 102_400));
    let mount = parse_mount("1 0 8:1 / / rw - ext4 /dev/sda1 rw").unwrap();
    let system = FileSystem { disk: disk(&mount, &statvfs("/").unwrap()), device: Some((8, 1)) };
    let before = DiskCounters::from([((8, 1), (0, 102_400))]);
    let rated = with_rates(std::slice::from_ref(&system), Some(&before), &counters, Millis(2_000));
    assert_eq!((rated[0].read_bytes_per_s, rated[0].written_bytes_per_s), (25_600, 0));
    assert_eq!(with_rates(&[system], None, &counters, Millis(2_000))[0].read_bytes_per_s, 0);
}

proptest! {
    #[test]
    fn any_line_is_read_without_panic(line in r"[ \\0-9a-z:/,é-]{0,80}") {
        let _ = (parse_mount(&line), unescape(&line), parse_counter(&line));
    }
}
