package incidents

import (
	"context"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

const (
	driftsEvery = 7 * 24 * time.Hour
	secondsADay = 24 * 3600
)

// drifts finds providers whose share of refusals has risen for four weeks. It looks once
// a week, because a trend changes little in a day, and so that chance has few tries.
func (l *look) drifts(ctx context.Context) error {
	if !l.Live {
		return nil
	}
	age := l.Now.Sub(time.Unix(l.drifted, 0))
	if l.drifted != 0 && age >= 0 && age < driftsEvery {
		return nil
	}
	begins := l.drifted == 0 || age < 0 // or the clock went back
	l.drifted = l.Now.Unix()
	if begins {
		return nil
	}
	today := l.Now.Unix() / secondsADay
	providers, err := l.daysOfProviders(ctx, today)
	if err != nil {
		return err
	}
	for name, days := range providers {
		trend, rises := incident.FindTrend(days)
		if !rises || name == bounce.OtherValue {
			continue
		}
		f, err := l.drift(ctx, name, days, trend)
		if err != nil {
			return err
		}
		l.Findings = append(l.Findings, f)
	}
	for _, i := range l.Known {
		if i.Open() && i.Kind == incident.Drift && !l.found(i) {
			l.End(i, incident.ByPause, bounce.Stamp(l.Now))
		}
	}
	return nil
}

// daysOfProviders returns the attempts of the four weeks before a day, by provider. Days
// of an incident that was found for it are left out, because that was reported.
func (l *look) daysOfProviders(ctx context.Context, today int64) (map[string][]incident.Day, error) {
	first := today - incident.DriftDays
	type outage struct {
		provider    string // empty is all
		first, last int64
	}
	var outages []outage
	err := sqldb.ScanAll(ctx, l.db, `
		SELECT iif(kind = ?, subject, ''), unixepoch(started_at), unixepoch(coalesce(over_at, last_at))
		FROM incidents
		WHERE last_at >= ? AND (tried IS NOT NULL OR rang_at IS NOT NULL) AND kind IN (?, ?, ?)`, func(scan func(...any) error) error {
		var o outage
		err := scan(&o.provider, &o.first, &o.last)
		o.first, o.last = o.first/secondsADay, o.last/secondsADay
		outages = append(outages, o)
		return err
	}, string(incident.ProviderRefuses), bounce.Stamp(time.Unix(first*secondsADay, 0)),
		string(incident.ProviderRefuses), string(incident.Blocklist), string(incident.OwnNetwork))
	if err != nil {
		return nil, err
	}
	providers := make(map[string][]incident.Day)
	// Both spans, each by its index.
	return providers, sqldb.ScanAll(ctx, l.db, `
		SELECT provider, start / ?1, sum(tried), sum(refused)
		FROM provider_windows
		WHERE span IN (300, 3600) AND start >= ?1 * ?2 AND start < ?1 * ?3
		GROUP BY 1, 2
		ORDER BY 1, 2`, func(scan func(...any) error) error {
		var name string
		var d incident.Day
		if err := scan(&name, &d.Number, &d.Tried, &d.Refused); err != nil {
			return err
		}
		rang := slices.ContainsFunc(outages, func(o outage) bool {
			return (o.provider == "" || o.provider == name) && o.first <= d.Number && d.Number <= o.last
		})
		if !rang {
			providers[name] = append(providers[name], d)
		}
		return nil
	}, secondsADay, first, today)
}

// drift describes a trend by the refusals of the last week.
func (l *look) drift(ctx context.Context, provider string, days []incident.Day, trend incident.Trend) (incident.Finding, error) {
	to := (days[len(days)-1].Number + 1) * secondsADay
	alarm := &incident.Alarm{From: to - 7*secondsADay, To: to, Usual: trend.From, P: trend.P}
	for _, d := range days {
		if d.Number*secondsADay >= alarm.From {
			alarm.Tried, alarm.Refused = alarm.Tried+d.Tried, alarm.Refused+d.Refused
		}
	}
	f := incident.Finding{Alarm: alarm, Since: days[0].Number * secondsADay * 1000, Until: l.Now.UnixMilli(), Rings: true}
	f.Kind, f.Subject = incident.Drift, provider
	refusals, err := l.refusals(ctx)(provider, alarm.From, alarm.To)
	for _, r := range refusals {
		f.Attempts, f.Addresses = f.Attempts+r.Attempts, f.Addresses+r.Addresses
		f.Domains, f.BounceID = max(f.Domains, r.Domains), max(f.BounceID, r.LastID)
	}
	return f, err
}
