// Package config is bulkhead's configuration: what can be set, where it may
// come from, and what the effective values are.
//
// A flag wins over the environment, that over the file, that over the
// default. What a file says and nothing understands is an error. It may
// import nothing of this module, so that every command can read it without
// loading what it configures.
package config
