GO ?= go
SAMPLE = testdata/sample/deliveries.tsv
DEMO = .cache/demo.db
PREFIX = /usr/local
BENCH_SIZE = 1GB
VERSION ?= $(shell ./scripts/version)
ARCH ?= $(shell $(GO) env GOARCH)
MAINTAINER ?= The bouncetail authors <bouncetail@users.noreply.github.com>
FUZZTIME ?= 60s
STAMP = -X github.com/bouncetail/bouncetail/cli.Version=$(VERSION)
UNITS = $(notdir $(wildcard systemd/*.service systemd/*.timer systemd/*.path systemd/*.socket))
SOURCES = $(shell find . -path ./.cache -prune -o \( -name '*.go' -o -name '*.yaml' -o -name '*.sql' -o -name '*.tsv' \) -print) go.mod

.PHONY: build run test test-setup check lint race simulate static deb rpm test-package install uninstall fuzz fuzz-corpus nightly vuln accuracy bench bench-live torture clean

build: bouncetail

bouncetail: $(SOURCES) .cache/version
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags '$(STAMP)' -o $@ .

# static links the program statically for ARCH, amd64 or arm64. For another
# processor than this machine's it needs Debian's cross compiler
# (gcc-aarch64-linux-gnu, gcc-x86-64-linux-gnu).
static: .cache/static/$(ARCH)/bouncetail

CC_amd64 = x86_64-linux-gnu-gcc
CC_arm64 = aarch64-linux-gnu-gcc

.cache/static/%/bouncetail: $(SOURCES) .cache/version
	CGO_ENABLED=1 GOARCH=$* $(if $(filter-out $(shell $(GO) env GOHOSTARCH),$*),CC=$(CC_$*)) $(GO) build -trimpath \
		-tags 'netgo osusergo sqlite_omit_load_extension timetzdata' -ldflags '-s -w $(STAMP) -linkmode external -extldflags -static' -o $@ .

# The program is linked again if the version changes.
.cache/version: always
	@mkdir -p .cache
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@

.PHONY: always

# deb and rpm make packages in .cache/package, for ARCH.
deb rpm: .cache/nfpm .cache/static/$(ARCH)/bouncetail .cache/static/$(shell $(GO) env GOHOSTARCH)/bouncetail
	./scripts/package-stage .cache/static/$(ARCH)/bouncetail .cache/static/$(shell $(GO) env GOHOSTARCH)/bouncetail .cache/package/$@-$(ARCH)
	VERSION='$(VERSION)' ARCH=$(ARCH) STAGE=.cache/package/$@-$(ARCH) MAINTAINER='$(MAINTAINER)' \
		SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct 2>/dev/null || date -r CHANGELOG.md +%s)" \
		.cache/nfpm package --config packaging/nfpm.yaml --packager $@ --target .cache/package

.cache/nfpm: tools/package/go.mod tools/package/go.sum
	$(GO) build -C tools/package -o ../../$@ github.com/goreleaser/nfpm/v2/cmd/nfpm

# test-package looks at what the packages contain, installs the .deb in a separate
# Debian (debootstrap, in .cache/debian), upgrades, removes and purges it, and then the
# .rpm. It needs root, and a Debian mirror the first time.
test-package: deb
	command -v debootstrap >/dev/null && command -v systemd-nspawn >/dev/null && command -v rpm >/dev/null || \
		apt-get install -y --no-install-recommends debootstrap systemd-container rpm
	BOUNCETAIL_TEST_PACKAGE=$$(ls -t $(CURDIR)/.cache/package/*_$(ARCH).deb | head -1) $(GO) test ./e2e -run 'Package|Contents' -count 1 -timeout 40m -v

# run imports this machine's mail log into a separate database and prints the
# result. If there is no readable log, or no failure in it, it imports the sample.
run: build
	@mkdir -p .cache
	@./scripts/sample $(SAMPLE) >.cache/sample.log
	@./scripts/demo $(DEMO) .cache/sample.log

# test needs a C compiler, and root for the packages of the mail servers that it
# runs. Tests that cannot run are skipped with a message. Go's default limit for a
# package, ten minutes, may be too little on a busy machine. make lint vets the packages;
# here that would take a minute and a half of a processor. Without symbols and DWARF (-s
# -w), linking takes 2 s instead of 3. Packages that take long or wait start first, three at a
# time, with three tests each.
test:
	$(MAKE) -j2 check test-setup
	$(GO) test -shuffle=on -timeout 30m -vet=off -ldflags='-s -w' -p 3 -parallel 3 ./e2e ./output/fleet ./view/web ./...

# test-setup fetches while check compiles.
test-setup:
	./scripts/test-setup

# check runs before every test run: gofmt, go build, go.mod and the words of
# scripts/words.tsv.
check:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	$(GO) build ./cli
	$(GO) mod tidy -diff
	./scripts/check-words

# lint runs the linters pinned in tools/go.mod, go vet among them. Building them takes
# minutes the first time.
lint: .cache/golangci-lint
	.cache/golangci-lint run ./...

.cache/golangci-lint: tools/go.mod tools/go.sum
	$(GO) build -C tools -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# race needs more than an hour on a busy machine; Go's default limit for a package is ten
# minutes.
race:
	$(GO) test -race -shuffle=on -timeout 120m ./...

# install installs the program, its unit and its settings. Existing settings are
# kept.
install:
	install -D -m 0755 bouncetail $(DESTDIR)$(PREFIX)/bin/bouncetail
	install -d -m 0755 $(DESTDIR)/etc/systemd/system
	install -m 0644 $(addprefix systemd/,$(UNITS)) $(DESTDIR)/etc/systemd/system
	install -D -m 0644 systemd/bouncetail.sysusers $(DESTDIR)/etc/sysusers.d/bouncetail.conf
	install -d -m 0755 $(DESTDIR)/etc/bouncetail/rules.d
	test -e $(DESTDIR)/etc/bouncetail/config.yaml || install -D -m 0644 config.example.yaml $(DESTDIR)/etc/bouncetail/config.yaml

# uninstall keeps the settings and the database.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/bouncetail $(addprefix $(DESTDIR)/etc/systemd/system/,$(UNITS)) $(DESTDIR)/etc/sysusers.d/bouncetail.conf

# nightly runs the tests that take too long for each change.
nightly: lint race torture fuzz

# fuzz runs each fuzz target for FUZZTIME. All code that reads untrusted input has
# one. It starts from the corpus in testdata/fuzz. Minimizing is limited, because it
# can take all of the time. fuzz-corpus adds new inputs to the corpus.
fuzz:
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$package || exit 1; \
		done; \
	done

fuzz-corpus:
	./scripts/fuzz-corpus

# vuln checks the linked modules against Go's vulnerability database. It needs the
# network: vuln.go.dev and the module proxy.
vuln:
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...

# accuracy measures the classifier on a file of labelled replies.
accuracy:
	@test -n '$(CORPUS)' || { echo 'usage: make accuracy CORPUS=FILE'; exit 2; }
	$(GO) run ./classify/internal/accuracy -v '$(CORPUS)'

# simulate runs the detector of incidents over 210 simulated months of providers, and
# counts the false alarms of SEEDS other ones. A fifth of the first is part of make test.
SEEDS = 20
simulate:
	$(GO) test ./incident -count=1 -run 'Bars|Seeds' -v -args -months -seeds $(SEEDS)

# bench measures the stages, and then imports of logs of BENCH_SIZE in comparison
# with grep, wc, and pflogsumm and eximstats if they are installed.
bench: build
	$(GO) test -run '^$$' -bench . -benchmem ./...
	$(GO) build -o .cache/genlog ./bench/genlog
	$(GO) run ./bench/compare -size $(BENCH_SIZE)

# bench-live measures the cost of following a log in some five minutes: idle, at
# 5,000 lines a second, and the maximum rate of one core.
bench-live: build
	$(GO) build -o .cache/genlog ./bench/genlog
	$(GO) run ./bench/live

# torture runs the scenarios that broke other programs that follow logs, five times,
# simulated power failures, many random stories of rotation and of fleets, and all cases of
# the tests that try a part of them in make test.
torture:
	BOUNCETAIL_TEST_ALL=1 $(GO) test ./logparse ./classify ./sqlite ./view/fleet ./view/web -count=1 -timeout 60m
	BOUNCETAIL_TEST_ALL=1 $(GO) test ./cli ./e2e -count=1 -run 'PagesInABrowser|PostgreSQLIsAway|OfAllLogs|AllLogsSay|CountsOnce|OrderOfImports' -timeout 60m
	BOUNCETAIL_TEST_ROUNDS=5 $(GO) test ./e2e -count=1 -run 'Torture|Memory' -timeout 60m -v
	BOUNCETAIL_TEST_POWERCUTS=1500 $(GO) test ./e2e -count=1 -run 'PowerFails' -timeout 90m -v
	BOUNCETAIL_SEEDS=3000 $(GO) test ./tailer -count=1 -run 'EveryLine|Gaps' -timeout 60m
	BOUNCETAIL_TEST_CUTS=1000 $(GO) test ./e2e -count=1 -run CutAtAnyLine -timeout 60m
	BOUNCETAIL_TEST_EVENTS=100000 $(GO) test ./e2e -count=1 -run CrowdsDoNotDepend -timeout 60m
	BOUNCETAIL_TEST_FLEET_SEEDS=1000 $(GO) test ./output/fleet -count=1 -run OneThatReadAllLogs -timeout 120m
	BOUNCETAIL_TEST_FLEET_SEEDS=50 $(GO) test ./output/fleet -count=1 -run 'AsPruningDoes|HoldsOnAll|BehindPgbouncer' -timeout 60m

clean:
	rm -rf bouncetail .cache
