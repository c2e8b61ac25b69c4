GO ?= go
SAMPLE = testdata/logs/postfix/main/mail.log.gz testdata/logs/exim/main/mainlog.gz
DEMO = .cache/demo.db

.PHONY: build run test lint fuzz accuracy bench clean

build: bouncetail

bouncetail: $(shell find . -name '*.go' -o -name '*.yaml' -o -name '*.sql' -o -name '*.tsv') go.mod
	CGO_ENABLED=1 $(GO) build -trimpath -o $@ .

# run reads this machine's mail log where there is one that may be read, and
# else the sample that ships, into a database of its own, and shows it.
run: build
	@./scripts/demo $(DEMO) $(SAMPLE)

# test needs a C compiler, and root for the packages of the mail servers that
# it runs; what cannot run says so loudly.
test: lint
	./scripts/test-setup
	$(GO) test -shuffle=on ./...

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	$(GO) mod tidy -diff

# fuzz runs each fuzz target for a while.
fuzz:
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime 60s ./logparse

# accuracy measures the classifier on a file of labelled replies of your own.
accuracy:
	@test -n '$(CORPUS)' || { echo 'usage: make accuracy CORPUS=FILE'; exit 2; }
	$(GO) run ./classify/internal/accuracy -v '$(CORPUS)'

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean:
	rm -rf bouncetail .cache
