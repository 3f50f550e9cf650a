package main

import (
	"log"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
	v1 "k8s.io/api/core/v1"
)

// The names and answers follow "Kubernetes DNS-Based Service Discovery",
// version 1.1.0, and CoreDNS where that leaves things open.
const (
	zone = "cluster.local."
	ttl  = 30
)

type clusterHandler struct {
	records    *records
	resolvConf string
}

func (h *clusterHandler) ServeDNS(w dns.ResponseWriter, request *dns.Msg) {
	if len(request.Question) != 1 {
		send(w, request, new(dns.Msg).SetRcode(request, dns.RcodeFormatError))
		return
	}
	question := request.Question[0]
	name := strings.ToLower(question.Name)
	var found *answer
	switch {
	case dns.IsSubDomain(zone, name):
		found = h.forward(name, question)
	case dns.IsSubDomain("arpa.", name):
		found = h.reverse(name, question)
	}
	if found == nil {
		h.handOn(w, request)
		return
	}
	reply := new(dns.Msg).SetReply(request)
	reply.Authoritative = true
	reply.Answer, reply.Extra = found.records, found.extra
	if len(found.records) == 0 {
		if !found.exists {
			reply.Rcode = dns.RcodeNameError
		}
		reply.Ns = []dns.RR{soa()}
	}
	send(w, request, reply)
}

// answer to a question; one without records says that the name exists with
// other types, or that it does not.
type answer struct {
	exists  bool
	records []dns.RR
	extra   []dns.RR
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

func soa() dns.RR {
	h := header(zone, dns.TypeSOA)
	h.Ttl = 5
	return &dns.SOA{Hdr: h, Ns: "ns.dns." + zone, Mbox: "hostmaster." + zone,
		Serial: uint32(time.Now().Unix()), Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: 5}
}

// address adds an A or AAAA record if it is of the type that was asked for.
func (a *answer) address(name string, kind uint16, ip net.IP) {
	if v4 := ip.To4(); v4 != nil && kind == dns.TypeA {
		a.records = append(a.records, &dns.A{Hdr: header(name, kind), A: v4})
	} else if v4 == nil && kind == dns.TypeAAAA {
		a.records = append(a.records, &dns.AAAA{Hdr: header(name, kind), AAAA: ip})
	}
}

// service adds an SRV record, and its target's address as an extra.
func (a *answer) service(name, target string, port int32, ip net.IP) {
	a.records = append(a.records, &dns.SRV{Hdr: header(name, dns.TypeSRV), Weight: 100, Port: uint16(port), Target: target})
	for _, rr := range a.extra {
		if rr.Header().Name == target {
			return
		}
	}
	if v4 := ip.To4(); v4 != nil {
		a.extra = append(a.extra, &dns.A{Hdr: header(target, dns.TypeA), A: v4})
	} else {
		a.extra = append(a.extra, &dns.AAAA{Hdr: header(target, dns.TypeAAAA), AAAA: ip})
	}
}

// forward answers for a name of the cluster's zone.
func (h *clusterHandler) forward(name string, question dns.Question) *answer {
	labels := dns.SplitDomainName(strings.TrimSuffix(name, zone))
	count := len(labels)
	last := func(n int) string {
		if n > count {
			return ""
		}
		return labels[count-n]
	}
	switch {
	case count == 0:
		found := &answer{exists: true}
		switch question.Qtype {
		case dns.TypeSOA:
			found.records = []dns.RR{soa()}
		case dns.TypeNS:
			found.records = []dns.RR{&dns.NS{Hdr: header(question.Name, dns.TypeNS), Ns: "ns.dns." + zone}}
		}
		return found
	case count == 1 && last(1) == "dns-version":
		found := &answer{exists: true}
		if question.Qtype == dns.TypeTXT {
			found.records = []dns.RR{&dns.TXT{Hdr: header(question.Name, dns.TypeTXT), Txt: []string{"1.1.0"}}}
		}
		return found
	case last(1) == "dns" && (count == 1 || count == 2 && last(2) == "ns"):
		found := &answer{exists: true}
		if count == 2 {
			if service, err := h.records.services.Services("kube-system").Get("kube-dns"); err == nil {
				for _, ip := range clusterIPs(service, question.Qtype == dns.TypeAAAA) {
					found.address(question.Name, question.Qtype, ip)
				}
			}
		}
		return found
	case last(1) == "svc" || last(1) == "pod":
		if count == 1 {
			return &answer{exists: true}
		}
		if _, err := h.records.namespaces.Get(last(2)); err != nil {
			return &answer{}
		}
		if count == 2 {
			return &answer{exists: true}
		}
		if last(1) == "pod" {
			return pod(labels, question)
		}
		return h.service(labels[:count-2], last(2), question)
	}
	return &answer{}
}

// pod is 10-244-0-5.NAMESPACE.pod: as in CoreDNS' "insecure" mode, no such pod
// needs to exist.
func pod(labels []string, question dns.Question) *answer {
	if len(labels) != 3 {
		return &answer{}
	}
	ip := net.ParseIP(strings.ReplaceAll(labels[0], "-", "."))
	if ip == nil {
		ip = net.ParseIP(strings.ReplaceAll(labels[0], "-", ":"))
	}
	if ip == nil {
		return &answer{}
	}
	found := &answer{exists: true}
	found.address(question.Name, question.Qtype, ip)
	return found
}

// service is SERVICE, ENDPOINT.SERVICE or _PORT._PROTOCOL.SERVICE.
func (h *clusterHandler) service(labels []string, namespace string, question dns.Question) *answer {
	name := labels[len(labels)-1]
	service, err := h.records.services.Services(namespace).Get(name)
	if err != nil {
		return &answer{}
	}
	full := name + "." + namespace + ".svc." + zone
	var portName, protocol, endpoint string
	switch len(labels) {
	case 1:
	case 2:
		endpoint = labels[0]
	case 3:
		if !strings.HasPrefix(labels[0], "_") || !strings.HasPrefix(labels[1], "_") {
			return &answer{}
		}
		portName, protocol = labels[0][1:], labels[1][1:]
	default:
		return &answer{}
	}

	if service.Spec.Type == v1.ServiceTypeExternalName {
		if len(labels) != 1 {
			return &answer{}
		}
		return h.external(dns.Fqdn(service.Spec.ExternalName), question)
	}

	found := &answer{}
	wanted := func(n string, p v1.Protocol) bool {
		return portName == "" || strings.EqualFold(n, portName) && strings.EqualFold(string(p), protocol)
	}
	if !headless(service) && endpoint == "" {
		ips := append(clusterIPs(service, false), clusterIPs(service, true)...)
		for _, port := range service.Spec.Ports {
			if !wanted(port.Name, port.Protocol) {
				continue
			}
			found.exists = true
			if question.Qtype == dns.TypeSRV && len(ips) > 0 {
				found.service(question.Name, full, port.Port, ips[0])
			}
		}
		if found.exists {
			for _, ip := range ips {
				found.address(question.Name, question.Qtype, ip)
			}
		}
		return found
	}

	endpoints, err := h.records.endpoints.Endpoints(namespace).Get(name)
	if err != nil {
		return found
	}
	seen := map[string]bool{}
	for _, subset := range endpoints.Subsets {
		for _, address := range subset.Addresses {
			host := endpointName(address)
			if endpoint != "" && endpoint != host {
				continue
			}
			ip := net.ParseIP(address.IP)
			for _, port := range subset.Ports {
				if !wanted(port.Name, port.Protocol) {
					continue
				}
				found.exists = true
				if question.Qtype == dns.TypeSRV {
					found.service(question.Name, host+"."+full, port.Port, ip)
				}
				if !seen[address.IP] {
					found.address(question.Name, question.Qtype, ip)
					seen[address.IP] = true
				}
			}
			if len(subset.Ports) == 0 && portName == "" && !seen[address.IP] {
				found.exists = true
				found.address(question.Name, question.Qtype, ip)
				seen[address.IP] = true
			}
		}
	}
	return found
}

func endpointName(address v1.EndpointAddress) string {
	if address.Hostname != "" {
		return strings.ToLower(address.Hostname)
	}
	return strings.NewReplacer(".", "-", ":", "-").Replace(address.IP)
}

// external is an alias for a name elsewhere, with what that resolves to.
func (h *clusterHandler) external(target string, question dns.Question) *answer {
	found := &answer{exists: true}
	found.records = []dns.RR{&dns.CNAME{Hdr: header(question.Name, dns.TypeCNAME), Target: target}}
	if question.Qtype == dns.TypeCNAME {
		return found
	}
	next := dns.Question{Name: target, Qtype: question.Qtype, Qclass: question.Qclass}
	if dns.IsSubDomain(zone, target) {
		if more := h.forward(strings.ToLower(target), next); more != nil {
			found.records = append(found.records, more.records...)
		}
		return found
	}
	query := new(dns.Msg).SetQuestion(target, question.Qtype)
	if reply := h.ask(query, "udp"); reply != nil {
		found.records = append(found.records, reply.Answer...)
	}
	return found
}

// reverse answers for an address of a Service or of an endpoint; nil for any
// other.
func (h *clusterHandler) reverse(name string, question dns.Question) *answer {
	address := reversedAddress(name)
	if address == "" {
		return nil
	}
	found := &answer{exists: true}
	add := func(target string) {
		if question.Qtype == dns.TypePTR {
			found.records = append(found.records, &dns.PTR{Hdr: header(question.Name, dns.TypePTR), Ptr: target})
		}
	}
	services, _ := h.records.byAddress["service"].ByIndex(addressIndex, address)
	for _, object := range services {
		service := object.(*v1.Service)
		add(service.Name + "." + service.Namespace + ".svc." + zone)
	}
	if len(services) > 0 {
		return found
	}
	all, _ := h.records.byAddress["endpoints"].ByIndex(addressIndex, address)
	for _, object := range all {
		endpoints := object.(*v1.Endpoints)
		// Those of an object without a Service, such as a leader lock, have no name.
		if _, err := h.records.services.Services(endpoints.Namespace).Get(endpoints.Name); err != nil {
			continue
		}
		for _, subset := range endpoints.Subsets {
			for _, a := range subset.Addresses {
				if a.IP == address {
					add(endpointName(a) + "." + endpoints.Name + "." + endpoints.Namespace + ".svc." + zone)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return found
}

// reversedAddress is the address that 4.3.2.1.in-addr.arpa. stands for.
func reversedAddress(name string) string {
	separator, group := ".", 1
	labels := dns.SplitDomainName(strings.TrimSuffix(name, "in-addr.arpa."))
	count := 4
	if strings.HasSuffix(name, "ip6.arpa.") {
		labels = dns.SplitDomainName(strings.TrimSuffix(name, "ip6.arpa."))
		separator, group, count = ":", 4, 32
	}
	if len(labels) != count {
		return ""
	}
	text := ""
	for i := range labels {
		if i > 0 && i%group == 0 {
			text += separator
		}
		text += labels[count-1-i]
	}
	if ip := net.ParseIP(text); ip != nil {
		return ip.String()
	}
	return ""
}

// handOn passes a question to the servers of resolv.conf, over the same
// transport that it came by, and their answer back as it is.
func (h *clusterHandler) handOn(w dns.ResponseWriter, request *dns.Msg) {
	reply := h.ask(request, w.LocalAddr().Network())
	if reply == nil {
		send(w, request, new(dns.Msg).SetRcode(request, dns.RcodeServerFailure))
		return
	}
	reply.Id = request.Id
	if err := w.WriteMsg(reply); err != nil {
		log.Printf("answering %s: %v", w.RemoteAddr(), err)
	}
}

func (h *clusterHandler) ask(request *dns.Msg, network string) *dns.Msg {
	config, err := dns.ClientConfigFromFile(h.resolvConf)
	if err != nil {
		log.Print(err)
		return nil
	}
	client := &dns.Client{Net: network, Timeout: 2 * time.Second, UDPSize: 4096}
	for _, server := range config.Servers {
		reply, _, err := client.Exchange(request, net.JoinHostPort(server, config.Port))
		if err == nil {
			return reply
		}
		log.Printf("asking %s for %s: %v", server, request.Question[0].Name, err)
	}
	return nil
}
