package cli

import (
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/output/webhook"
)

// The settings accept the kinds that there are: config imports none of them.
func TestSettingsKnowAllKindsOfWebhooks(t *testing.T) {
	var kinds []string
	for _, k := range webhook.Kinds {
		kinds = append(kinds, k.Name)
	}
	if !slices.Equal(kinds, config.WebhookKinds) {
		t.Errorf("config.WebhookKinds = %q, want %q", config.WebhookKinds, kinds)
	}
}
