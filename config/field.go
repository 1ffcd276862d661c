package config

import "reflect"

// fieldOf is the value that a Config has for a key.
func fieldOf(c *Config, key []string) any {
	v := reflect.ValueOf(c).Elem()
	for _, part := range key {
		if v.Kind() == reflect.Map {
			v = v.MapIndex(reflect.ValueOf(part))
			if !v.IsValid() {
				return nil
			}
			continue
		}
		v = byTag(v, part)
	}
	return v.Interface()
}

func byTag(v reflect.Value, tag string) reflect.Value {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("mapstructure") == tag {
			return v.Field(i)
		}
	}
	panic("config: no field for key " + tag) // keys are made from the fields
}
