# Runs as a unit of a booted Debian: sets up a Postfix with a log, then runs the
# commands of a new user. The output goes to session.log.
exec >/root/session.log 2>&1
cd /root

# Postfix sends to a second smtpd on the loopback interface, which refuses some
# recipients. No mail leaves the machine.
postconf -e 'myhostname = mx.shop.example' 'mydestination = localhost' 'inet_interfaces = loopback-only' 'inet_protocols = ipv4' \
	'transport_maps = inline:{ example.com=smtp:[127.0.0.1]:2525, gmail.com=smtp:[127.0.0.1]:2525 }' 'bounce_queue_lifetime = 0'
cat >>/etc/postfix/master.cf <<'M'
127.0.0.1:2525 inet n - n - - smtpd
  -o myhostname=mx.example.com
  -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o { smtpd_recipient_restrictions = check_recipient_access inline:{ {gone@example.com=550 5.1.1 No such user}, {full@example.com=452 4.2.2 Mailbox full}, {jane@gmail.com=550 5.7.26 Unauthenticated email is not accepted due to the domain's DMARC policy} }, permit_mynetworks, reject }
  -o content_filter=discard:
M
systemctl restart rsyslog postfix
mail() {
	for to; do
		printf 'From: news@shop.example\nTo: %s\nSubject: hello\n\nhello\n' "$to" | sendmail -f news@shop.example "$to"
	done
	# Wait until each has been tried.
	for to; do
		for _ in $(seq 100); do
			! grep -q "to=<$to>.*status=" /var/log/mail.log || break
			sleep 0.2
		done
	done
}
mail gone@example.com full@example.com jane@gmail.com ok@example.com

say() {
	echo "root@mx:~# $*"
	eval "$*"
}
say 'apt-get install -y ./bouncetail.deb >/dev/null'
say 'COLUMNS=80 bouncetail recipients --state bad --format table --wide'
sleep 3 # the first start logs its result after saving
say bouncetail doctor
say "systemctl show bouncetail -p ActiveState -p StatusText -p UnitFileState"
say systemctl reload bouncetail '&&' echo reloaded
mail second@localhost
sleep 2
say 'bouncetail recipients --format table --wide'
say 'journalctl --no-pager -u bouncetail -o short'
say "journalctl --no-pager -u bouncetail -p warning -o cat"
say "systemd-analyze --no-pager security bouncetail | tail -1"
say 'apt-get purge -y bouncetail >/dev/null'
say "systemctl is-active bouncetail; ls -d /var/lib/bouncetail /etc/bouncetail"
echo "the end"
systemctl poweroff
