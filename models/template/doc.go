// Package template renders chats into prompts by a model's own template.
package template
