# Runs as a unit of a booted Debian: uses the units that are off after the installation.
# The output goes to session.log.
exec >/root/session.log 2>&1
cd /root

# Postfix sends to a second smtpd on the loopback interface, which refuses some
# recipients, six of them because of a blocklist. No mail leaves the machine.
postconf -e 'myhostname = mx.shop.example' 'mydestination = localhost' 'inet_interfaces = loopback-only' 'inet_protocols = ipv4' \
	'transport_maps = inline:{ example.com=smtp:[127.0.0.1]:2525 }' 'bounce_queue_lifetime = 0'
cat >/etc/postfix/access <<'M'
/^gone@/ 550 5.1.1 No such user
/^listed/ 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://check.spamhaus.org/query/ip/192.0.2.1
M
cat >>/etc/postfix/master.cf <<'M'
127.0.0.1:2525 inet n - n - - smtpd
  -o myhostname=mx.example.com
  -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o { smtpd_recipient_restrictions = check_recipient_access regexp:/etc/postfix/access, permit_mynetworks, reject }
  -o content_filter=discard:
M
systemctl restart rsyslog postfix

mail() {
	for to; do
		printf 'From: news@shop.example\nTo: %s\nSubject: hello\n\nhello\n' "$to" | sendmail -f news@shop.example "$to"
	done
}
say() {
	echo "root@mx:~# $*"
	eval "$*"
}
# wait_for SECONDS COMMAND waits until the command succeeds.
wait_for() {
	local n=$(($1 * 5))
	shift
	for _ in $(seq "$n"); do
		eval "$*" >/dev/null 2>&1 && return
		sleep 0.2
	done
	echo "waited in vain for: $*"
}
# page PATH prints a page of the socket.
page() {
	perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Peer => "/run/bouncetail-web.sock") or die "socket: $!\n";
		print $s "GET $ARGV[0] HTTP/1.0\r\nHost: localhost\r\n\r\n";
		print while <$s>' "$1"
}
namespace() { readlink "/proc/$1/ns/net"; }
show() { systemctl show "$1" -p "$2" --value; }

say 'apt-get install -y ./bouncetail.deb >/dev/null'
off='bouncetail-web.socket bouncetail-report.timer bouncetail-metrics.timer bouncetail-notify.path bouncetail-notify.timer bouncetail-fleet.service bouncetail-fleet-maintain.timer'
for unit in $off; do
	echo "after the installation: $unit $(systemctl is-enabled $unit), $(systemctl is-active $unit)"
done
all=$(cd /usr/lib/systemd/system && ls -d bouncetail*)
# Warnings about manual pages that Debian's minimal image excludes are no mistakes of a unit.
echo "verify: <$(cd /usr/lib/systemd/system && systemd-analyze verify --man=no $all 2>&1 | grep bouncetail)>"
for unit in bouncetail bouncetail-web bouncetail-fleet bouncetail-metrics; do
	systemd-analyze --no-pager security $unit.service | tail -1
done

sed -i 's/^  mail: \[\]/  mail: [root@localhost]/; s/^  channels: \[\]/  channels: [{name: me, kind: mail, to: [root@localhost]}]/' /etc/bouncetail/config.yaml
say 'systemctl reload bouncetail && echo reloaded'

echo '-- notices --'
say 'systemctl enable --now bouncetail-notify.path bouncetail-notify.timer'
mail gone@example.com listed{1,2,3,4,5,6}@example.com
wait_for 20 'test "$(bouncetail recipients --json --state all | grep -c example.com)" = 7'
say 'bouncetail recipients --format table'

echo '-- pages --'
say 'systemctl enable --now bouncetail-web.socket'
echo "the socket: $(stat -c '%U:%G %a' /run/bouncetail-web.sock), the process: $(systemctl is-active bouncetail-web)"
page /recipients | grep -o 'HTTP/1.. 200 OK\|gone@example.com</a>' | sort -u
page /metrics | grep '^bouncetail_build_info'
echo "the process: $(systemctl is-active bouncetail-web), its user: $(stat -c %u "/proc/$(show bouncetail-web MainPID)")"
for unit in bouncetail bouncetail-web; do
	pid=$(show $unit MainPID)
	test "$(namespace $pid)" != "$(namespace 1)" && echo "$unit has a network of $(tail -n +3 /proc/$pid/net/dev | cut -d : -f 1 | xargs)"
done
kill -9 "$(show bouncetail-web MainPID)"
wait_for 5 '! systemctl is-active bouncetail-web'
echo "after a kill: $(page /settings | head -1)"

# What the process could do if somebody took it over: a script runs in its place.
mkdir -p /etc/systemd/system/bouncetail-web.service.d
cat >/etc/systemd/system/bouncetail-web.service.d/probe.conf <<'M'
[Service]
ExecStart=
ExecStart=/bin/sh /usr/local/bin/probe
StandardOutput=file:/root/probe.log
StandardError=inherit
M
cat >/usr/local/bin/probe <<'M'
echo "reads $(head -c 15 /var/lib/bouncetail/bouncetail.db)"
bouncetail recipients --json --state bad
for path in /var/lib/bouncetail/bouncetail.db /var/lib/bouncetail/bouncetail.db-wal; do
	( : >>"$path" ) && echo "WRITES $path"
done
for dir in /var/lib/bouncetail /etc/bouncetail /run /root /var/log; do
	touch "$dir/probe" && echo "WRITES $dir"
done
bouncetail recipients block victim@example.com && echo 'WRITES a decision'
bouncetail forget gone@example.com --yes && echo 'WRITES by forget'
perl -MSocket -e 'socket(my $s, AF_INET, SOCK_STREAM, 0) ? print "OPENS a socket\n" : print "no socket: $!\n"'
echo 'end of the probe'
M
say 'systemctl daemon-reload && systemctl stop bouncetail-web.service && systemctl start bouncetail-web.service'
wait_for 20 "grep -q 'end of the probe' /root/probe.log"
cat /root/probe.log
rm -r /etc/systemd/system/bouncetail-web.service.d
say 'systemctl daemon-reload && systemctl stop bouncetail-web.service && systemctl restart bouncetail-web.socket'
echo "blocked by the probe: <$(bouncetail recipients --json --state all | grep victim)>"
page / >/dev/null
before=$(show bouncetail-web MainPID)
say 'apt-get install -y --reinstall ./bouncetail.deb >/dev/null'
echo "after an upgrade: $(page / | head -1)"
test "$before" != "$(show bouncetail-web MainPID)" && echo 'the pages run the new program'

echo '-- metrics --'
say 'mkdir -p /var/lib/prometheus/node-exporter && systemctl enable --now bouncetail-metrics.timer'
wait_for 70 'grep bouncetail_build_info /var/lib/prometheus/node-exporter/bouncetail.prom'
grep '^bouncetail_build_info' /var/lib/prometheus/node-exporter/bouncetail.prom
show bouncetail-metrics Result

echo '-- report --'
say 'systemctl enable --now bouncetail-report.timer'
echo "the next report: $(show bouncetail-report.timer NextElapseUSecRealtime)"
say 'systemctl start bouncetail-report.service; systemctl show bouncetail-report -p Result'
wait_for 10 'grep -q "^Subject:.*newly bad" /var/mail/root'

echo '-- fleet --'
say 'systemctl start bouncetail-fleet.service'
wait_for 20 'systemctl is-failed bouncetail-fleet'
echo "without a setting: $(systemctl is-active bouncetail-fleet), status $(show bouncetail-fleet ExecMainStatus), restarts $(show bouncetail-fleet NRestarts)"
journalctl -q --no-pager -u bouncetail-fleet -o cat | grep fleet.dsn

# The daemon looks for incidents once a minute.
wait_for 90 'grep -q "^Subject:.*zen.spamhaus.org" /var/mail/root'
echo '-- mails --'
grep '^Subject:' /var/mail/root
journalctl -q --no-pager -u 'bouncetail-*' -p warning -o cat
say 'apt-get purge -y bouncetail >/dev/null'
echo "left: <$(systemctl list-units --all --no-legend 'bouncetail*' | grep -v not-found; ls -d /run/bouncetail-web.sock /var/lib/bouncetail 2>/dev/null)>"
echo "the end"
systemctl poweroff
