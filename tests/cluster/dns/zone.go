package main

import (
	"os"
	"strings"

	"github.com/miekg/dns"
)

// zoneHandler answers with authority for all names: what its file does not
// have does not exist, anywhere.
type zoneHandler struct {
	records map[string][]dns.RR // by name
	names   map[string]bool     // those, and the names above them
}

func loadZone(path string) (*zoneHandler, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	zone := &zoneHandler{records: map[string][]dns.RR{}, names: map[string]bool{".": true}}
	parser := dns.NewZoneParser(file, ".", path)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		name := strings.ToLower(rr.Header().Name)
		zone.records[name] = append(zone.records[name], rr)
		for _, at := range dns.Split(name) {
			zone.names[name[at:]] = true
		}
	}
	return zone, parser.Err()
}

func (z *zoneHandler) ServeDNS(w dns.ResponseWriter, request *dns.Msg) {
	reply := new(dns.Msg).SetReply(request)
	reply.Authoritative = true
	reply.RecursionAvailable = true
	question := request.Question[0]
	name := strings.ToLower(question.Name)
	if !z.names[name] {
		reply.Rcode = dns.RcodeNameError
	}
	// A CNAME is followed, some steps at most.
	for hops := 0; hops < 8 && name != ""; hops++ {
		next := ""
		for _, rr := range z.records[name] {
			cname, isCname := rr.(*dns.CNAME)
			if rr.Header().Rrtype == question.Qtype || question.Qtype == dns.TypeANY || isCname {
				answer := dns.Copy(rr)
				if hops == 0 {
					answer.Header().Name = question.Name
				}
				reply.Answer = append(reply.Answer, answer)
			}
			if isCname && question.Qtype != dns.TypeCNAME && question.Qtype != dns.TypeANY {
				next = strings.ToLower(cname.Target)
			}
		}
		name = next
	}
	if len(reply.Answer) == 0 {
		reply.Ns = z.authority(strings.ToLower(question.Name))
	}
	send(w, request, reply)
}

// authority is the SOA record of the nearest zone above the name.
func (z *zoneHandler) authority(name string) []dns.RR {
	for _, at := range append(dns.Split(name), len(name)-1) {
		for _, rr := range z.records[name[at:]] {
			if rr.Header().Rrtype == dns.TypeSOA {
				return []dns.RR{rr}
			}
		}
	}
	return nil
}
