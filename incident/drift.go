package incident

import "math"

// Day counts the first attempts of a day to one provider.
type Day struct {
	Number         int64 // grows by 1 each day
	Tried, Refused int
}

const (
	// DriftDays is how long a share of refusals must have risen.
	DriftDays = 28
	// driftDays is the least number of days with attempts.
	driftDays = 14
	// driftRefusals is the least number of refusals. Fewer make no trend.
	driftRefusals = 50
	// driftTimes is how much larger the odds of a refusal must be at the end. A smaller
	// change is not worth a notice, even if it is certain.
	driftTimes = 1.5
	// driftLimit is the two-sided p below which a trend is no chance.
	driftLimit = 1e-3
)

// Trend is a share of refusals that changes from day to day.
type Trend struct {
	From, To float64 // the share on the first and the last day
	P        float64 // the probability of such a trend by chance
}

// FindTrend fits a trend to the share of refusals of a provider by day, and reports whether
// it rises.
//
// It is a logistic regression on the day. The refusals of a day scatter more than those
// of independent attempts, because one bad mailing is refused as a whole. Their scatter
// around the trend widens the standard error (quasi-binomial), and because it is estimated
// from few days, p is that of Student's t.
func FindTrend(days []Day) (Trend, bool) {
	n, refused, tried := 0, 0, 0
	for _, d := range days {
		if d.Tried > 0 {
			n++
		}
		tried, refused = tried+d.Tried, refused+d.Refused
	}
	if n < driftDays || refused < driftRefusals || refused == tried {
		return Trend{}, false
	}
	first, last := days[0].Number, days[len(days)-1].Number
	at := func(d *Day) float64 { return float64(d.Number-first)/float64(last-first) - 0.5 } // of the trend, from -0.5 to 0.5
	fit, slope := logit(float64(refused)/float64(tried)), 0.0
	var varies float64 // of the slope
	for range 25 {
		var g0, g1, h00, h01, h11 float64
		for i := range days {
			d := &days[i]
			x, p := at(d), logistic(fit+slope*at(d))
			residual, weight := float64(d.Refused)-float64(d.Tried)*p, float64(d.Tried)*p*(1-p)
			g0, g1 = g0+residual, g1+residual*x
			h00, h01, h11 = h00+weight, h01+weight*x, h11+weight*x*x
		}
		det := h00*h11 - h01*h01
		if det <= 0 || math.IsNaN(det) {
			return Trend{}, false // separated: all refusals are on one side
		}
		fit, slope, varies = fit+(h11*g0-h01*g1)/det, slope+(h00*g1-h01*g0)/det, h00/det
	}
	scatter := 0.0
	for i := range days {
		d := &days[i]
		if d.Tried > 0 {
			p := logistic(fit + slope*at(d))
			residual := float64(d.Refused) - float64(d.Tried)*p
			scatter += residual * residual / (float64(d.Tried) * p * (1 - p))
		}
	}
	scatter = max(1, scatter/float64(n-2))
	t := Trend{From: logistic(fit - slope/2), To: logistic(fit + slope/2)}
	t.P = studentTail(slope/math.Sqrt(varies*scatter), n-2)
	return t, slope >= math.Log(driftTimes) && t.P < driftLimit
}

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// studentTail returns the two-sided p of Student's t with some degrees of freedom. It is
// Hill's approximation of t by a normal deviate (Communications of the ACM 13, 1970,
// algorithm 395), whose error is below a hundredth for 12 degrees and more.
func studentTail(t float64, freedom int) float64 {
	v := float64(freedom)
	a := v - 0.5
	z2 := a * math.Log1p(t*t/v)
	z := math.Sqrt(z2) * (1 + (z2+3)/(48*a*a))
	return math.Erfc(z / math.Sqrt2)
}
