GO ?= go
SAMPLE = testdata/logs/postfix/main/mail.log.gz testdata/logs/exim/main/mainlog.gz
DEMO = .cache/demo.db
PREFIX = /usr/local

.PHONY: build run test check lint race install uninstall fuzz accuracy bench torture clean

build: bouncetail

bouncetail: $(shell find . -name '*.go' -o -name '*.yaml' -o -name '*.sql' -o -name '*.tsv') go.mod
	CGO_ENABLED=1 $(GO) build -trimpath -o $@ .

# run reads this machine's mail log where there is one that may be read, and
# else the sample that ships, into a database of its own, and shows it.
run: build
	@./scripts/demo $(DEMO) $(SAMPLE)

# test needs a C compiler, and root for the packages of the mail servers that
# it runs; what cannot run says so loudly.
test: check
	./scripts/test-setup
	$(GO) test -shuffle=on ./...

# check is what is looked at before every test run.
check:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	$(GO) mod tidy -diff

# lint runs the linters that tools/go.mod pins; building them takes minutes,
# once.
lint: .cache/golangci-lint
	.cache/golangci-lint run ./...

.cache/golangci-lint: tools/go.mod tools/go.sum
	$(GO) build -C tools -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

race:
	$(GO) test -race -shuffle=on ./...

# install puts the program, its unit and its settings in place; settings that
# are there already stay.
install:
	install -D -m 0755 bouncetail $(DESTDIR)$(PREFIX)/bin/bouncetail
	install -D -m 0644 systemd/bouncetail.service $(DESTDIR)/etc/systemd/system/bouncetail.service
	install -D -m 0644 systemd/bouncetail.sysusers $(DESTDIR)/etc/sysusers.d/bouncetail.conf
	test -e $(DESTDIR)/etc/bouncetail/config.yaml || install -D -m 0644 config.example.yaml $(DESTDIR)/etc/bouncetail/config.yaml

# uninstall leaves settings and database.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/bouncetail $(DESTDIR)/etc/systemd/system/bouncetail.service $(DESTDIR)/etc/sysusers.d/bouncetail.conf

# fuzz runs each fuzz target for a while.
fuzz:
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime 60s ./logparse

# accuracy measures the classifier on a file of labelled replies of your own.
accuracy:
	@test -n '$(CORPUS)' || { echo 'usage: make accuracy CORPUS=FILE'; exit 2; }
	$(GO) run ./classify/internal/accuracy -v '$(CORPUS)'

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# torture runs the scenarios that break followers of logs, five times, and many
# random stories of rotation.
torture:
	BOUNCETAIL_ROUNDS=5 $(GO) test ./e2e -run 'Torture|Memory' -timeout 60m -v
	BOUNCETAIL_SEEDS=3000 $(GO) test ./tailer -run 'EveryLine|Gaps' -timeout 60m

clean:
	rm -rf bouncetail .cache
