def markdown(run):
    return ""
