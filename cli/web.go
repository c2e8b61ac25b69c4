package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/cmdline"
	"github.com/bouncetail/bouncetail/view/login"
	"github.com/bouncetail/bouncetail/view/table"
	"github.com/bouncetail/bouncetail/view/web"
)

func (a *app) web() *cobra.Command {
	var address string
	c := &cobra.Command{
		Use:   "web",
		Short: "Show in a browser what the commands show",
		Long: "Web serves pages about providers, recipients, incidents, reasons and senders. It changes\n" +
			"nothing, unless web.write is set. On a port of this machine, it prints a link that works\n" +
			"once, since other users can reach the port; a unix socket is for its owner only. With\n" +
			"web.users_file, visitors have to log in, and other machines may be let in. With --fleet\n" +
			"the pages show all hosts of a fleet, and change nothing.\n\n" +
			"bouncetail-web.socket starts it on demand, see docs/web.md.",
		Example: "  sudo bouncetail web\n" +
			"  bouncetail web --db /tmp/b.db --listen unix:/tmp/bouncetail.sock",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := a.question(cmd)
			if err != nil {
				return err
			}
			if !web.Activated() { // else the pages show what is wrong: systemd gives up a socket whose process ends
				r, err := q.Open(cmd.Context())
				if err != nil {
					return err
				}
				defer r.Close()
			}
			site, err := daemon.Site(q, a.zone())
			if err != nil {
				return err
			}
			l, err := web.Listen(address, site.Users != nil)
			if err != nil {
				return fmt.Errorf("--listen: %w", err)
			}
			return daemon.ServeSite(cmd.Context(), site, l, a.stdout, table.Remarks(a.stderr))
		},
	}
	c.Flags().StringVar(&address, "listen", "127.0.0.1:0",
		"listen on `ADDRESS`: unix:PATH, or IP:PORT; port 0 is any that is free; an IP that other machines reach needs web.users_file")
	fleetFlag(c)
	a.logFlags(c)
	c.AddCommand(a.passwd(), a.token())
	return c
}

// passwd is the subcommand of web that sets the password of a user.
func (a *app) passwd() *cobra.Command {
	p := daemon.Password{In: a.stdin, Prompt: a.stderr}
	c := a.withResult(&cobra.Command{
		Use:   "passwd NAME",
		Short: "Set the password of a user of the pages",
		Long: "Passwd adds a user to the file of the setting web.users_file, or changes the password,\n" +
			"which it asks for, or reads from standard input. A running bouncetail web sees it at once.",
		Args: cmdline.OneArgument("the name of a user"),
	}, func(_ context.Context, c config.Config, args []string) (any, string, error) {
		p.Name = args[0]
		sentence, err := p.Run(c.Web)
		return did{"user": p.Name}, sentence, err
	})
	c.Flags().BoolVar(&p.Remove, "remove", false, "remove the user")
	return c
}

// token is the subcommand of web that makes a token for a program.
func (a *app) token() *cobra.Command {
	var t daemon.Token
	c := a.withResult(&cobra.Command{
		Use:   "token [NAME]",
		Short: "Make a token for a program, or list the tokens",
		Long: "Token adds a token to the file of the setting web.tokens_file, and prints it. The file\n" +
			"has only its hash. Programs send it as \"Authorization: Bearer TOKEN\". Without a name it\n" +
			"lists the tokens. A running bouncetail web sees changes at once.",
		Example: "  sudo bouncetail web token prometheus --scope metrics",
		Args:    cobra.MaximumNArgs(1),
	}, func(_ context.Context, c config.Config, args []string) (any, string, error) {
		t.Name, t.Now = strings.Join(args, ""), a.now()
		return t.Run(c.Web)
	})
	c.Flags().StringVar(&t.Scope, "scope", login.ScopeMetrics, "`SCOPE`: "+strings.Join(login.Scopes, ", ")+"; read is for every page")
	c.Flags().BoolVar(&t.Remove, "remove", false, "remove the token")
	complete(c, "scope", login.Scopes)
	return c
}
