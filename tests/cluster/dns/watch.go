package main

import (
	"fmt"
	"net"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// records is what the names are made of, kept current by watches.
type records struct {
	namespaces listers.NamespaceLister
	services   listers.ServiceLister
	endpoints  listers.EndpointsLister
	byAddress  map[string]cache.Indexer // "service" and "endpoints", by IP address
}

const addressIndex = "address"

func watchCluster(kubeconfig string) (*records, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	core := factory.Core().V1()
	services, endpoints := core.Services().Informer(), core.Endpoints().Informer()
	if err := services.AddIndexers(cache.Indexers{addressIndex: serviceAddresses}); err != nil {
		return nil, err
	}
	if err := endpoints.AddIndexers(cache.Indexers{addressIndex: endpointsAddresses}); err != nil {
		return nil, err
	}
	r := &records{
		namespaces: core.Namespaces().Lister(),
		services:   core.Services().Lister(),
		endpoints:  core.Endpoints().Lister(),
		byAddress: map[string]cache.Indexer{
			"service":   services.GetIndexer(),
			"endpoints": endpoints.GetIndexer(),
		},
	}
	// As with CoreDNS, nothing is answered before everything is known.
	stop := make(chan struct{})
	factory.Start(stop)
	timeout := time.AfterFunc(60*time.Second, func() { close(stop) })
	for kind, synced := range factory.WaitForCacheSync(stop) {
		if !synced {
			return nil, fmt.Errorf("the API server did not list %v", kind)
		}
	}
	timeout.Stop()
	return r, nil
}

func serviceAddresses(object interface{}) ([]string, error) {
	service := object.(*v1.Service)
	if headless(service) || service.Spec.Type == v1.ServiceTypeExternalName {
		return nil, nil
	}
	addresses := []string{}
	for _, ip := range service.Spec.ClusterIPs {
		addresses = append(addresses, ip)
	}
	return addresses, nil
}

func endpointsAddresses(object interface{}) ([]string, error) {
	addresses := []string{}
	for _, subset := range object.(*v1.Endpoints).Subsets {
		for _, address := range subset.Addresses {
			addresses = append(addresses, address.IP)
		}
	}
	return addresses, nil
}

func headless(service *v1.Service) bool { return service.Spec.ClusterIP == v1.ClusterIPNone }

// clusterIPs of the wanted family.
func clusterIPs(service *v1.Service, v6 bool) []net.IP {
	found := []net.IP{}
	for _, text := range service.Spec.ClusterIPs {
		if ip := net.ParseIP(text); ip != nil && (ip.To4() == nil) == v6 {
			found = append(found, ip)
		}
	}
	return found
}
