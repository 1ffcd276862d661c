// Package gc frees what the stores beneath a root hold and nobody needs: what
// repairs have put aside, layers and trees that nothing refers to, what
// unfinished work has left. It imports image, image/check and layer.
package gc
