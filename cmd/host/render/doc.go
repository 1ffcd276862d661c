// Package render writes what commands show: tables, JSON and templates with
// the fields and functions that Docker's --format has, and sizes and times
// as Docker puts them. It may import nothing of this module.
package render
