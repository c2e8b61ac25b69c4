package e2e

func tortureCRLFEmptyLinesBytesNo(x *tortured) {
	x.start()
	for range 10 {
		_, err := x.f.WriteString("\n\r\n\xff\xfe\x1b[31m\r\nNov 23 00:00:00 mx postfix/smtp[1]: \x00\x01\n")
		x.check(err)
		x.bounces(5)
	}
}
