package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/host"
)

// describe asks a driver's module what it is, in an instance of its own, where
// the driver would run.
func (d *drivers) describe(ctx context.Context, name string) (_ *driverView, err error) {
	v, err := d.view(name)
	if err != nil {
		return nil, err
	}
	settings, given := d.cfg.Drivers[name], d.grants(name)
	compile, err := d.module(ctx, name)
	if err != nil {
		return nil, err
	}
	module, err := compile(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("driver %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, module.Close(ctx)) }()
	desc, err := host.Describe(ctx, module, callLimits(settings.Limits))
	if err != nil {
		return nil, fmt.Errorf("driver %s: %w", name, err)
	}
	v.Module = &moduleView{
		Name: desc.Name, Version: desc.Version, DiskFormat: desc.DiskFormat, Capabilities: desc.Capabilities,
		Methods: []string{}, GrantsAsked: sorted(desc.Grants), GrantsGiven: sorted(given), GrantsMissing: []string{},
	}
	for _, m := range desc.Methods {
		v.Module.Methods = append(v.Module.Methods, m.String())
	}
	for _, g := range v.Module.GrantsAsked {
		if !slices.Contains(given, g) {
			v.Module.GrantsMissing = append(v.Module.GrantsMissing, g)
		}
	}
	return v, nil
}

// sorted is a copy that is never null in JSON.
func sorted(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return out
}
