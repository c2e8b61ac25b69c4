package incident

import "math"

// binomialTail returns the probability of k or more refusals in n attempts if each is
// refused with probability p. Up to the mean, where it is about one half or more, it
// returns 1: that is never of interest. The first term is computed from logarithms, because
// factorials overflow. A probability below the smallest float64 is 0.
func binomialTail(n, k int, p float64) float64 {
	if k <= 0 {
		return 1
	}
	if k > n || p <= 0 {
		return 0
	}
	if float64(k) <= float64(n)*p {
		return 1
	}
	lgamma := func(n int) float64 { v, _ := math.Lgamma(float64(n + 1)); return v }
	term := math.Exp(lgamma(n) - lgamma(k) - lgamma(n-k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
	sum := 0.0
	for i := k; i <= n && term > sum*1e-12; i++ {
		sum += term
		term *= float64(n-i) / float64(i+1) * p / (1 - p)
	}
	return min(sum, 1)
}
