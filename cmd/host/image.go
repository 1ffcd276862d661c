package main

import "github.com/spf13/cobra"

func (a *app) imageCommand() *cobra.Command {
	return group(&cobra.Command{Use: "image", Short: "Images: load, save, pull, push, import, export, list, inspect, tag, remove, verify"},
		a.imageLoad(), a.imageSave(), a.imagePull(), a.imagePush(), a.imageImport(), a.imageExport(), a.imageList(), a.imageInspect(), a.imageHistory(),
		a.imageTag(), a.imageRemove(), a.imagePrune(), a.imageVerify(), a.imageSquash())
}
