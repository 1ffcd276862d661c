// Package abi is the contract between a native host and a graph driver
// compiled to WebAssembly: the names of imports and exports, the closed list
// of codes, and the layout of every record that crosses the border.
//
// README.md beside this file is the normative text; this package is its
// executable form and is shared by host and guests. It therefore imports
// nothing but the standard library's pure packages, holds no state, and
// compiles to wasip1 as well as natively.
package abi
