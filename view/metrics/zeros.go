package metrics

import (
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/incident"
)

var (
	outcomes = []string{string(bounce.Sent), string(bounce.Deferred), string(bounce.Bounced), string(bounce.Expired)}
	deciders = []string{
		string(bounce.ByFailure), string(bounce.ByPolicy), string(bounce.ByCrowd), string(bounce.ByDelivery),
		string(bounce.ByRelease), string(bounce.ByTime), string(bounce.ByHand),
	}
	statuses = []string{string(bounce.Sent), string(bounce.Deferred), string(bounce.Bounced)} // expired is no status of smtp
)

// zeros returns the label values that a counter has from the start.
func zeros(name string) [][]string {
	switch name {
	case bounce.MetricAttempts:
		return product(outcomes, providers())
	case bounce.MetricFailures:
		return classify.Verdicts()
	case bounce.MetricProviderFailures:
		return product(categories(), providers())
	case bounce.MetricImportedAttempts:
		return product(outcomes)
	case bounce.MetricImportedFailures:
		return product(categories())
	case bounce.MetricBlocklist:
		return product(bounce.Blocklists())
	case bounce.MetricTurnedBad:
		var reasons []string
		for _, r := range bounce.Reasons {
			reasons = append(reasons, string(r.Reason))
		}
		return product(reasons)
	case bounce.MetricRecovered:
		return product(deciders)
	case bounce.MetricUnparsed:
		return product(bounce.MTAs)
	case bounce.MetricIncidents:
		return product(kinds())
	case bounce.MetricProcessed:
		return product(statuses)
	case bounce.MetricDeferredByDSN:
		return product(append(bounce.DSNs(4), bounce.OtherValue))
	case bounce.MetricBouncedByDSN:
		return product(append(bounce.DSNs(5), bounce.OtherValue))
	}
	return nil // the labels are sources
}

func providers() []string { return append(classify.Providers(), bounce.OtherValue) }

func categories() []string {
	var all []string
	for _, c := range bounce.Categories {
		all = append(all, c.Slug)
	}
	return all
}

func kinds() []string {
	var all []string
	for _, k := range incident.Kinds {
		all = append(all, string(k.Kind))
	}
	return all
}

// product returns all combinations of values.
func product(labels ...[]string) [][]string {
	all := [][]string{nil}
	for _, values := range labels {
		var longer [][]string
		for _, before := range all {
			for _, v := range values {
				longer = append(longer, append(slices.Clip(before), v))
			}
		}
		all = longer
	}
	return all
}
