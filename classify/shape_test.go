package classify

import "testing"

func TestRepliesThatDifferInNumbersHaveOneShape(t *testing.T) {
	for _, same := range [][]string{
		{"550 ticket 481 mailbox wedged", "550 ticket 482 mailbox wedged", "550 ticket 17 mailbox wedged"},
		{"550-try again 550 later (error 112)", "550-try again 550 later (error 113)"},
		{"421 4.7.0 wait 300 seconds", "421 4.7.0 wait 120 seconds"},
	} {
		for _, reply := range same[1:] {
			if Shape(reply) != Shape(same[0]) {
				t.Errorf("%q has the shape %q, %q has %q", reply, Shape(reply), same[0], Shape(same[0]))
			}
		}
	}
	for _, other := range [][2]string{
		{"550 ticket 481 wedged", "450 ticket 481 wedged"},
		{"550 5.7.606 banned", "550 5.7.607 banned"},
		{"550 [C14] no", "550 [C15] no"},
		{"550 AUP#1260 no", "550 CXBL no"},
	} {
		if Shape(other[0]) == Shape(other[1]) {
			t.Errorf("%q and %q have one shape, %q", other[0], other[1], Shape(other[0]))
		}
	}
}
