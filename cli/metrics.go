package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/metrics"
)

func (a *app) metrics() *cobra.Command {
	var output, format string
	c := &cobra.Command{
		Use:   "metrics",
		Short: "Print metrics for Prometheus",
		Long: "Metrics prints what is counted of your mail, for Prometheus. With -o it writes the file\n" +
			"for the textfile collector of node_exporter, whole or not at all. It needs no daemon.",
		Example: "  bouncetail metrics | grep attempts\n" +
			"  bouncetail metrics -o /var/lib/prometheus/node-exporter/bouncetail.prom",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := badFlag("format", text.OneOf(format, metrics.Formats)); err != nil {
				return err
			}
			return a.read(cmd.Context(), func(settings config.Config, r *query.Reader) error {
				source := metrics.Source{DB: r.Querier(), Path: settings.Database, Version: versionText(), Revision: metrics.Revision(), Compat: settings.Metrics.Compat}
				if output == "" || output == "-" {
					return metrics.Write(cmd.Context(), source, a.stdout, format)
				}
				if err := daemon.CheckOutput(&settings, output); err != nil {
					return err
				}
				return metrics.WriteFile(cmd.Context(), source, output, format)
			})
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "write `FILE` instead, mode 0644")
	c.Flags().StringVar(&format, "format", "text", "`FORMAT`: "+strings.Join(metrics.Formats, ", "))
	complete(c, "format", metrics.Formats)
	return c
}
