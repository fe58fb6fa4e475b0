"""Uploading a file: files.getUploadURLExternal, a POST of the bytes, files.completeUploadExternal."""

from tests.slack_workspace import events
from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.methods.chat import Content, store_post
from tests.slack_workspace.model import Json
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State, new_id
from tests.slack_workspace.web_api import Method


def get_upload_url(state: State, args: Arguments) -> Json:
    name, length = args.required("filename"), args.number("length", 0)
    if length <= 0:
        raise Refusal("missing_argument")
    file_id = new_id("F")
    state.uploads[file_id] = {"id": file_id, "name": name, "title": name, "size": length, "content": None}
    return {"file_id": file_id, "upload_url": f"{state.base_url}/upload/{file_id}"}


def complete_upload(state: State, args: Arguments) -> Json:
    files = []
    for given in args.array("files"):
        file = state.uploads.get(str(given.get("id")))
        if file is None or file["content"] is None:
            raise Refusal("file_not_found")
        file["title"] = given.get("title") or file["title"]
        files.append({key: value for key, value in file.items() if key != "content"})
    if not files:
        raise Refusal.of("invalid_arguments", ["missing required field: files"])
    for ref in [args.text("channel_id"), *args.words("channels")]:
        if ref is None:
            continue
        channel = state.channel_to_write(ref)
        content = Content(args.text("initial_comment"), None)
        message = store_post(state, channel, content, args.text("thread_ts"), files=files)
        events.message_posted(state, channel, message)
    return {"files": files}


METHODS = {
    "files.getUploadURLExternal": Method(get_upload_url, ("files:write",)),
    "files.completeUploadExternal": Method(complete_upload, ("files:write",)),
}
