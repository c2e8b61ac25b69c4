// Go's runtime watches over a busy program by a thread that sleeps 20 µs at a
// time. The batches of a followed log are short and many, so that this came to
// an eighth of what following costs. A timer that may be late by a millisecond
// lets it sleep that long. Threads take this over from the one that makes them,
// and the runtime makes its own before any Go code runs: hence a constructor.
// See prctl(2), PR_SET_TIMERSLACK.

#ifdef __linux__
#include <sys/prctl.h>

__attribute__((constructor)) static void allow_late_timers(void) {
	prctl(PR_SET_TIMERSLACK, 1000000UL, 0, 0, 0); // ns; where it is refused, all goes on as it was
}
#endif
