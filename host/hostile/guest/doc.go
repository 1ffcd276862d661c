// Command guest is a graph driver that attacks its host. Asked about an
// ordinary layer it is an honest driver of one directory per layer; a layer
// called x.<attack> makes it do that instead, whatever the method, and return
// the code it was refused with. A layer called arm.<attack> has the next call
// without a layer do it.
//
// It speaks the ABI by itself, without the SDK, which would not let it be this
// rude. It may import abi only.
package main

func main() {}
