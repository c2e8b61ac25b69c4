# Runs as a unit of a booted Debian without rsyslog: Postfix logs only to the
# journal. The output goes to session.log.
exec >/root/session.log 2>&1
cd /root

# Postfix sends to a second smtpd on the loopback interface, which refuses some
# recipients. No mail leaves the machine.
postconf -e 'myhostname = mx.shop.example' 'mydestination = localhost' 'inet_interfaces = loopback-only' 'inet_protocols = ipv4' \
	'transport_maps = inline:{ example.com=smtp:[127.0.0.1]:2525 }' 'bounce_queue_lifetime = 0'
cat >>/etc/postfix/master.cf <<'M'
127.0.0.1:2525 inet n - n - - smtpd
  -o myhostname=mx.example.com
  -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o { smtpd_recipient_restrictions = check_recipient_access inline:{ {gone@example.com=550 5.1.1 No such user}, {later@example.com=550 5.1.1 No such user} }, permit_mynetworks, reject }
  -o content_filter=discard:
M
systemctl restart postfix
mail() {
	printf 'From: news@shop.example\nTo: %s\nSubject: hello\n\nhello\n' "$1" | sendmail -f news@shop.example "$1"
	for _ in $(seq 100); do
		! journalctl -q SYSLOG_FACILITY=2 | grep -q "to=<$1>.*status=" || break
		sleep 0.2
	done
}
# Each command runs on a terminal of 80 columns.
say() {
	echo "root@mx:~# $*"
	script -qec "$*" /dev/null </dev/null | tr -d '\r'
}
export NO_COLOR=1
mail gone@example.com
echo '-- transcript --'
say 'apt-get install -y ./bouncetail.deb >/dev/null 2>&1'
sleep 4
mail later@example.com # is followed
sleep 3
say bouncetail status
say bouncetail recipients
say bouncetail recipients --state bad
say bouncetail explain gone@example.com
say bouncetail doctor
echo '-- end of the transcript --'
say "systemctl show bouncetail -p ActiveState -p StatusText -p ExecMainPID"
echo "restarts of the daemon: $(systemctl show bouncetail -p NRestarts --value)"
echo "lines about the journal: $(journalctl -q -u bouncetail | grep -c 'journal')"
say 'journalctl --no-pager -u bouncetail -o short'
echo 'databse: /srv/x.db' >>/etc/bouncetail/config.yaml
systemctl reload bouncetail
echo "reload: $?"
echo "still following: $(systemctl is-active bouncetail)"
systemctl restart bouncetail
sleep 8
echo "after a restart with broken settings: $(systemctl is-active bouncetail), status $(systemctl show bouncetail -p ExecMainStatus --value)"
echo "the end"
systemctl poweroff
