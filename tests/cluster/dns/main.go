// Command tpdocker-test-dns answers DNS for the test cluster, in two roles:
//
//	tpdocker-test-dns cluster   what CoreDNS does in other clusters: answers for
//	                            cluster.local and for the reverse zones from a
//	                            watch on the API, hands other names on
//	tpdocker-test-dns outside   the world outside of the cluster: answers from a
//	                            zone file, and that there is nothing else
//
// It is built in Kubernetes' own tree, with the libraries vendored there.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/miekg/dns"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	listen := flags.String("listen", ":53", "address to listen on")
	var handler dns.Handler
	switch os.Args[1] {
	case "cluster":
		resolvConf := flags.String("resolv-conf", "/etc/resolv.conf", "where the servers for other names are named")
		kubeconfig := flags.String("kubeconfig", "", "kubeconfig file; the pod's own account without it")
		flags.Parse(os.Args[2:])
		records, err := watchCluster(*kubeconfig)
		if err != nil {
			log.Fatal(err)
		}
		handler = &clusterHandler{records: records, resolvConf: *resolvConf}
	case "outside":
		zone := flags.String("zone", "", "zone file")
		flags.Parse(os.Args[2:])
		loaded, err := loadZone(*zone)
		if err != nil {
			log.Fatal(err)
		}
		handler = loaded
	default:
		usage()
	}
	failed := make(chan error)
	for _, network := range []string{"udp", "tcp"} {
		server := &dns.Server{Addr: *listen, Net: network, Handler: handler}
		go func() { failed <- server.ListenAndServe() }()
	}
	log.Fatal(<-failed)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: tpdocker-test-dns cluster|outside [OPTION...]")
	os.Exit(2)
}

// send writes a reply that fits the way it goes: over UDP no more than the
// client says that it takes, with the truncation bit if that cuts it.
func send(w dns.ResponseWriter, request, reply *dns.Msg) {
	size := dns.MaxMsgSize
	if opt := request.IsEdns0(); opt != nil {
		if reply.IsEdns0() == nil {
			reply.SetEdns0(1232, opt.Do())
		}
		size = int(opt.UDPSize())
	} else {
		size = dns.MinMsgSize
	}
	if w.LocalAddr().Network() == "tcp" {
		size = dns.MaxMsgSize
	} else if size > 1232 {
		size = 1232
	}
	reply.Compress = true
	truncate(reply, size)
	if err := w.WriteMsg(reply); err != nil {
		log.Printf("answering %s: %v", w.RemoteAddr(), err)
	}
}

// truncate drops records until the message fits, and marks it when they were
// answers.
func truncate(reply *dns.Msg, size int) {
	for reply.Len() > size && len(reply.Extra) > 0 {
		opt := reply.IsEdns0()
		reply.Extra = nil
		if opt != nil {
			reply.Extra = []dns.RR{opt}
			break
		}
	}
	for reply.Len() > size && len(reply.Answer) > 0 {
		reply.Answer = reply.Answer[:len(reply.Answer)-1]
		reply.Truncated = true
	}
}
