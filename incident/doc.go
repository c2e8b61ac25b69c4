// Package incident finds incidents: problems that hit many deliveries at once and
// are not the recipients' to mend.
//
// It takes windows (counts of attempts by provider and five minutes) and failures,
// and returns incidents. It has no clock and no database: package sqlite stores what
// it is given and what it returns.
//
// There are two ways to an incident:
//
//   - Detect compares a provider's refusals with what is usual for it. What it
//     reports is worth a notice.
//   - Gather collects failures with a common cause until a pause ends them. That is
//     worth a line in a list.
//
// Both are about the same incident if they have the same cause.
package incident
